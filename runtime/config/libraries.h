// User code: shared libraries that register modes of parallelism, gradient handlers, ops, kernels or models of their
// own, each by a static Registration (memory/registry.h). They are compiled against this source tree and stay loaded.
#pragma once

#include "runtime/config/setting.h"

namespace ctrain {

// Loads what the key `libraries` lists, once each: a path from the working directory, or a name that the system's
// loader finds. A library that cannot be loaded is a problem.
void load_libraries(const Setting& root, Problems& problems);

}  // namespace ctrain
