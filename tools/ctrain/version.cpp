// The only file that sees the commit, so that a new commit compiles nothing else again.
#include "tools/ctrain/version.h"

#include <fmt/format.h>

namespace ctrain {

std::string version() { return CTRAIN_VERSION; }

std::string version_text() {
  return fmt::format("ctrain {}\ncommit: {}\nbackends: local mpi\ndevices: cpu\n", version(), CTRAIN_COMMIT);
}

}  // namespace ctrain
