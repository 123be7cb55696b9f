// Asked to stop: SIGTERM, SIGINT and SIGUSR1 set a flag that the training loop reads between steps. The one thing here
// that belongs to the process and not to an object, as signals do.
#pragma once

namespace ctrain {

// While it lives the three signals ask for a stop instead of ending the process; a second one ends it as usual.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  [[nodiscard]] static bool stop_requested();
};

}  // namespace ctrain
