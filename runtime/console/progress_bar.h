// How far training is. On a terminal one line that is redrawn, cut to what fits:
//   epoch 1/2  step 123/430  [=====>       ]  0:45 left  loss 1.2345  accuracy 56.78 %  lr 2.00e-03  1234 samples/s
// Elsewhere (a job's output file) the same without the bar as a message now and then.
// Updates allocate nothing; the time is an argument, so that tests can drive it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "runtime/console/logger.h"

namespace ctrain {

struct ProgressTotals {
  std::int64_t epochs = 1;
  std::int64_t steps_per_epoch = 1;
  std::int64_t steps = 1;  // of the whole training: fewer than all epochs' where --steps says so
};

struct Progress {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();  // not shown

  std::int64_t epoch = 0;          // from 0: the current one
  std::int64_t step_in_epoch = 0;  // steps done of it
  double loss = 0;                 // shown whatever it is
  double accuracy = unknown;       // from 0 to 1
  double lr = unknown;
  double rate = unknown;  // global, of the last step
  std::string_view rate_unit = "samples/s";
};

class ProgressBar {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Draws on the logger's console. The logger must outlive the bar.
  ProgressBar(const Logger& logger, const ProgressTotals& totals);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();  // leaves the last line standing

  // After each step. Draws at most ten times a second on a terminal. Elsewhere it writes a message for the first and
  // the last step of all, and between them when another tenth of an epoch is done, but not within ten seconds of the
  // one before; at the latest after a minute.
  void update(const Progress& progress, Time now);

 private:
  [[nodiscard]] bool is_due(const Progress& progress, std::int64_t steps_done, Time now) const;
  [[nodiscard]] std::optional<std::chrono::seconds> time_left(std::int64_t steps_done, Time now) const;
  [[nodiscard]] std::int64_t tenth_of(const Progress& progress) const;

  const Logger& logger_;
  ProgressTotals totals_;
  std::optional<Time> first_time_;  // of the first update, from which the pace is measured
  std::int64_t first_steps_ = 0;    // steps done by then
  Time last_time_;                  // of the last line that was shown
  std::int64_t last_tenth_ = 0;     // tenths of epochs done by then
};

}  // namespace ctrain
