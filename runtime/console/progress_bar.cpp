#include "runtime/console/progress_bar.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/console/bar.h"

namespace ctrain {

namespace {

using std::chrono::seconds;

using Line = FixedText<400>;  // longer than any line without a terminal

// The numbers of a line, the most telling first: on a narrow terminal the last ones are left out.
class Fields {
 public:
  Fields(const Progress& progress, std::optional<seconds> left) {
    if (left) {
      text_.append("  ");
      append_time_left(text_, *left);
      ends_[count_++] = text_.size();
    }
    add("loss {:.4f}", progress.loss);
    if (!std::isnan(progress.accuracy)) add("accuracy {:.2f} %", 100 * progress.accuracy);
    if (!std::isnan(progress.lr)) add("lr {:.2e}", progress.lr);
    if (!std::isnan(progress.rate)) add("{:.{}f} {}", progress.rate, progress.rate < 100 ? 1 : 0, progress.rate_unit);
  }

  // As many of the fields, each after two blanks, as fit into `width` columns.
  [[nodiscard]] std::string_view fitting(std::size_t width) const {
    std::size_t size = 0;
    for (std::size_t i = 0; i < count_ && ends_[i] <= width; ++i) size = ends_[i];
    return text_.view().substr(0, size);
  }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    text_.append("  ");
    text_.append(format, std::forward<Args>(args)...);
    ends_[count_++] = text_.size();
  }

  Line text_;
  std::array<std::size_t, 5> ends_{};  // of each field in the text
  std::size_t count_ = 0;
};

void append_position(Line& line, const Progress& progress, const ProgressTotals& totals) {
  line.append("epoch {}/{}  step {}/{}", progress.epoch + 1, totals.epochs, progress.step_in_epoch,
              totals.steps_per_epoch);
}

Line terminal_line(const Progress& progress, const ProgressTotals& totals, const Fields& fields, int columns) {
  constexpr std::size_t narrowest_bar = 10, widest_bar = 40;
  const auto width = static_cast<std::size_t>(std::max(columns, 0));
  Line line;
  append_position(line, progress, totals);
  const std::size_t taken = line.size() + 2 + narrowest_bar;
  const std::string_view shown = fields.fitting(width > taken ? width - taken : 0);
  if (width >= taken) {
    const double share = static_cast<double>(progress.step_in_epoch) / static_cast<double>(totals.steps_per_epoch);
    line.append("  ");
    append_bar(line, share, std::min(widest_bar, narrowest_bar + width - taken - shown.size()));
  }
  line.append("{}", shown);
  return line;
}

}  // namespace

ProgressBar::ProgressBar(const Logger& logger, const ProgressTotals& totals) : logger_(logger), totals_(totals) {}

ProgressBar::~ProgressBar() { logger_.console().keep_status(); }

void ProgressBar::update(const Progress& progress, Time now) {
  const std::int64_t steps_done = progress.epoch * totals_.steps_per_epoch + progress.step_in_epoch;
  if (!is_due(progress, steps_done, now)) return;
  if (!first_time_) {
    first_time_ = now;
    first_steps_ = steps_done;
  }
  last_time_ = now;
  last_tenth_ = tenth_of(progress);

  const Fields fields(progress, time_left(steps_done, now));
  Console& console = logger_.console();
  if (console.is_terminal()) {
    console.show_status(terminal_line(progress, totals_, fields, console.width() - 1).view());
  } else {
    Line line;
    append_position(line, progress, totals_);
    line.append("{}", fields.fitting(std::string_view::npos));
    logger_.info("{}", line.view());
  }
}

bool ProgressBar::is_due(const Progress& progress, std::int64_t steps_done, Time now) const {
  if (!first_time_ || steps_done >= totals_.steps) return true;
  const auto silence = now - last_time_;
  if (logger_.console().is_terminal()) return silence >= redraw_interval;
  return silence >= longest_silence || (silence >= shortest_silence && tenth_of(progress) > last_tenth_);
}

std::int64_t ProgressBar::tenth_of(const Progress& progress) const {
  return 10 * progress.epoch + 10 * progress.step_in_epoch / totals_.steps_per_epoch;
}

std::optional<seconds> ProgressBar::time_left(std::int64_t steps_done, Time now) const {
  const std::int64_t steps_timed = steps_done - first_steps_;
  if (steps_timed <= 0) return std::nullopt;  // no pace is known yet
  const auto remaining = std::max<std::int64_t>(totals_.steps - steps_done, 0);
  return std::chrono::round<seconds>((now - *first_time_) * (static_cast<double>(remaining) / steps_timed));
}

}  // namespace ctrain
