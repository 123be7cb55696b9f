// Hooks that show what the others published: LogMetricByStepHook, LogMetricByEpochHook.
#include <cmath>

#include "runtime/hooks/hook.h"

namespace ctrain {
namespace {

// Five significant digits, as documented.
void append(fmt::memory_buffer& text, const std::string& name, double value) {
  if (std::isnan(value)) return;
  fmt::format_to(std::back_inserter(text), "{}{} = {:.5g}", text.size() == 0 ? "" : " | ", name, value);
}

// A line of metrics after every step, at log level debug (the progress bar shows the usual ones anyway).
class LogMetricByStepHook final : public Hook {
 public:
  LogMetricByStepHook(std::int64_t priority, const Logger& logger) : Hook(priority), logger_(logger) {}
  void after_train_step(TrainingState& state) override {
    if (!state.is_main) return;
    line_.clear();
    for (const auto& metric : state.board.metrics()) append(line_, metric.name, metric.train);
    logger_.debug("[Epoch {} / Train] step {}: {}", state.epoch, state.step,
                  std::string_view(line_.data(), line_.size()));
  }

 private:
  const Logger& logger_;
  fmt::memory_buffer line_;
};

// "[Epoch 3 / Train]: Loss = 0.51234 | LR = 0.001" every `interval` epochs, and the same of evaluations.
class LogMetricByEpochHook final : public Hook {
 public:
  LogMetricByEpochHook(std::int64_t priority, std::int64_t interval, const Logger& logger)
      : Hook(priority), interval_(interval), logger_(logger) {}
  void after_train_epoch(TrainingState& state) override { log(state, false); }
  void after_test(TrainingState& state) override { log(state, true); }

 private:
  void log(const TrainingState& state, bool test) {
    if (!state.is_main || (state.epoch + 1) % interval_ != 0) return;
    fmt::memory_buffer line;
    for (const auto& metric : state.board.metrics()) append(line, metric.name, test ? metric.test : metric.train);
    logger_.info("[Epoch {} / {}]: {}", state.epoch, test ? "Test" : "Train",
                 std::string_view(line.data(), line.size()));
  }
  std::int64_t interval_;
  const Logger& logger_;
};

const HookRegistration by_step("LogMetricByStepHook", [](const Setting& arguments, const HookContext& context) {
  return std::make_unique<LogMetricByStepHook>(arguments["priority"].integer(), context.logger);
});
const HookRegistration by_epoch("LogMetricByEpochHook", [](const Setting& arguments, const HookContext& context) {
  return std::make_unique<LogMetricByEpochHook>(arguments["priority"].integer(), arguments["interval"].integer(),
                                                context.logger);
});

}  // namespace
}  // namespace ctrain
