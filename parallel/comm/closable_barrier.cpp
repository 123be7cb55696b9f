#include "parallel/comm/closable_barrier.h"

#include <thread>

namespace ctrain {
namespace {

constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63, one_meeting = std::uint64_t{1} << 16;
constexpr std::uint64_t arrived_mask = one_meeting - 1, meeting_mask = closed_bit - one_meeting;

// Ranks may be more than cores, so a waiting rank gives its core away at once, and sleeps when that did not help.
constexpr int yields_before_sleep = 100;

}  // namespace

std::uint64_t ClosableBarrier::arrive() {
  std::uint64_t state = state_.load();
  while ((state & closed_bit) == 0) {
    const bool last = (state & arrived_mask) + 1 == members_;
    const std::uint64_t next = last ? (state & ~arrived_mask) + one_meeting : state + 1;
    if (!state_.compare_exchange_weak(state, next)) continue;
    if (last) wake();
    break;
  }
  return state & meeting_mask;
}

ClosableBarrier::Outcome ClosableBarrier::outcome(std::uint64_t ticket) const {
  const std::uint64_t state = state_.load();
  if ((state & meeting_mask) != ticket) return Outcome::met;
  return (state & closed_bit) != 0 ? Outcome::closed : Outcome::waiting;
}

ClosableBarrier::Outcome ClosableBarrier::wait(std::uint64_t ticket, Clock::time_point deadline) {
  for (int i = 0; i < yields_before_sleep; ++i) {
    if (const Outcome seen = outcome(ticket); seen != Outcome::waiting) return seen;
    std::this_thread::yield();
  }
  std::unique_lock lock(mutex_);
  // Counted before the state is read again, as wake() reads the count after the state was changed: one sees the other.
  ++sleepers_;
  changed_.wait_until(lock, deadline, [&] { return outcome(ticket) != Outcome::waiting; });
  --sleepers_;
  return outcome(ticket);
}

void ClosableBarrier::close() {
  state_.fetch_or(closed_bit);
  wake();
}

void ClosableBarrier::wake() {
  if (sleepers_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

}  // namespace ctrain
