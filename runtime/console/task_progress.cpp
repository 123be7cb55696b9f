#include "runtime/console/task_progress.h"

#include <algorithm>
#include <utility>

#include "runtime/console/bar.h"

namespace ctrain {
namespace {

constexpr std::size_t narrowest_bar = 10, widest_bar = 40;

}  // namespace

TaskProgress::TaskProgress(const Logger* logger, std::string task) : logger_(logger), task_(std::move(task)) {}

TaskProgress::~TaskProgress() {
  if (logger_ != nullptr) logger_->console().keep_status();
}

void TaskProgress::update(double share_done, Time now) {
  if (logger_ == nullptr) return;
  Console& console = logger_->console();
  const std::chrono::nanoseconds silence = console.is_terminal() ? redraw_interval : shortest_silence;
  if (!first_time_) {
    first_time_ = last_time_ = now;
    if (!console.is_terminal()) return;  // a short task needs no message
  } else if (now - last_time_ < silence) {
    return;
  }
  last_time_ = now;

  FixedText<64> numbers;
  numbers.append("  {:3.0f} %", 100 * share_done);
  if (share_done > 0 && now > *first_time_) {
    numbers.append("  ");
    append_time_left(numbers, std::chrono::round<std::chrono::seconds>((now - *first_time_) * (1 / share_done - 1)));
  }
  if (!console.is_terminal()) {
    logger_->info("{}{}", task_, numbers.view());
    return;
  }
  FixedText<400> line;
  line.append("{}", task_);
  const std::size_t taken = line.size() + 2 + numbers.size(), width = static_cast<std::size_t>(console.width());
  if (width > taken + narrowest_bar) {
    line.append("  ");
    append_bar(line, share_done, std::min(widest_bar, width - 1 - taken));
  }
  line.append("{}", numbers.view());
  console.show_status(line.view());
}

}  // namespace ctrain
