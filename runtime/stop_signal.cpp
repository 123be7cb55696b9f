#include "runtime/stop_signal.h"

#include <array>
#include <atomic>
#include <csignal>

namespace ctrain {
namespace {

constexpr std::array signals = {SIGTERM, SIGINT, SIGUSR1};
std::atomic<bool> requested{false};  // lock-free, hence safe in a handler
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void request_stop(int signal) {
  requested = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

StopSignals::StopSignals() {
  requested = false;
  for (const int signal : signals) std::signal(signal, request_stop);
}

StopSignals::~StopSignals() {
  for (const int signal : signals) std::signal(signal, SIG_DFL);
}

bool StopSignals::stop_requested() { return requested; }

}  // namespace ctrain
