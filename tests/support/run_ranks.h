// Runs a test's ranks as threads. Assertions belong into the main thread, after this has returned: Catch2's race.
#pragma once

#include <functional>

#include "parallel/comm/local.h"

namespace ctrain {

inline void run_ranks(int n, const std::function<void(Communicator& world)>& body) {
  run_local_ranks(n, {.timeout = 60}, body);
}

}  // namespace ctrain
