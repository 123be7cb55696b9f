// A barrier for rank threads that can be closed: every wait then ends, now and later, except that a meeting which all
// have reached stands. Either all members see a meeting or none does: the count of those who came, the number of the
// meeting and the closing are one atomic word. Allocates nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace ctrain {

class ClosableBarrier {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome : std::uint8_t { waiting, met, closed };

  explicit ClosableBarrier(int members) : members_(static_cast<std::uint64_t>(members)) {}

  std::uint64_t arrive();                                          // says "I am here"; the ticket is for wait()
  Outcome wait(std::uint64_t ticket, Clock::time_point deadline);  // `waiting` at the deadline; may be called again
  Outcome wait(std::uint64_t ticket) { return wait(ticket, Clock::time_point::max()); }
  void close();

 private:
  [[nodiscard]] Outcome outcome(std::uint64_t ticket) const;
  void wake();

  const std::uint64_t members_;
  std::atomic<std::uint64_t> state_ = 0;  // bit 63: closed; bits 16 to 62: meetings so far; bits 0 to 15: arrived
  std::atomic<int> sleepers_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace ctrain
