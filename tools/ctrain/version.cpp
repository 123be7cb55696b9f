// The only file that sees the commit, so that a new commit compiles nothing else again.
#include "tools/ctrain/version.h"

#include <fmt/ranges.h>

#include "parallel/comm/rendezvous_backend.h"

namespace ctrain {

std::string version() { return CTRAIN_VERSION; }

std::string version_text() {
  std::vector<std::string> backends = RendezvousBackends::instance().names();
  backends.insert(backends.begin(), {"local", "mpi"});
  return fmt::format("ctrain {}\ncommit: {}\nbackends: {}\ndevices: cpu\n", version(), CTRAIN_COMMIT,
                     fmt::join(backends, " "));
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
