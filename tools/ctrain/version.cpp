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

}  // namespace ctrain
