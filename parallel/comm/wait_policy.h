// How long a member stands in a collective for the others. Where a wait ends, the message names rank, collective, axis,
// sequence number and who is missing.
#pragma once

#include <functional>
#include <string>

namespace ctrain {

struct WaitPolicy {
  double timeout = 600;  // seconds, after which the wait ends with an error
  double warning = 10;   // seconds, after which `warn` is called, once per wait
  // Seconds that ranks of one process have to end once one of them has failed. A thread cannot be ended from outside,
  // so the process is, where one does not.
  double grace = 5;
  // Called by the rank that waits: under `local` by several threads, perhaps at once.
  std::function<void(const std::string&)> warn = nullptr;
};

}  // namespace ctrain
