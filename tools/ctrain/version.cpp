// The only file that sees the commit, so that a new commit compiles nothing else again.
#include "tools/ctrain/version.h"

#include <fmt/ranges.h>

#include "memory/device.h"
#include "parallel/comm/rendezvous_backend.h"

namespace ctrain {

std::string version() { return CTRAIN_VERSION; }

std::string version_text() {
  std::vector<std::string> backends = RendezvousBackends::instance().names();
  std::vector<std::string> devices = DeviceKinds::instance().names();
  devices.insert(devices.begin(), "cpu");
  if (devices.size() > 1) backends.emplace_back("nccl");
  backends.insert(backends.begin(), {"local", "mpi"});
  return fmt::format("ctrain {}\ncommit: {}\nbackends: {}\ndevices: {}\n", version(), CTRAIN_COMMIT,
                     fmt::join(backends, " "), fmt::join(devices, " "));
}

BuildFacts build_facts() {
  return {.version = CTRAIN_VERSION,
          .commit = CTRAIN_COMMIT,
          .compiler = CTRAIN_COMPILER,
          .build_type = CTRAIN_BUILD_TYPE,
          .architecture = CTRAIN_ARCH,
          .sanitizers = CTRAIN_SANITIZE,
          .cuda = CTRAIN_CUDA_VERSION,
          .cudnn = CTRAIN_CUDNN_VERSION,
          .nccl = CTRAIN_NCCL_VERSION};
}

}  // namespace ctrain
