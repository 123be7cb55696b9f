// What runs within a training step allocates nothing: the progress bar, short messages and lines of metrics.
#include <catch2/catch.hpp>

#include "memory/allocation_counter.h"
#include "runtime/console/metrics_writer.h"
#include "runtime/console/progress_bar.h"
#include "tests/runtime/console/captured_console.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;

TEST_CASE("Reporting on a step allocates nothing") {
  const bool is_terminal = GENERATE(false, true);
  const TemporaryFolder folder;
  CapturedConsole captured(is_terminal, 120);
  Logger logger(captured.console, LogLevel::info);
  logger.open_file(folder / "log.txt");
  MetricsWriter writer(folder / "metrics.jsonl");
  ProgressBar bar(logger, {2, 1000, 2000});
  const auto report = [&](std::int64_t step) {
    const auto now = ProgressBar::Time{} + std::chrono::seconds(step);
    bar.update({step / 1000, step % 1000, 1.0 / 3, 0.5, 1e-3, 1234.5}, now);
    writer.write(StepMetrics{step, 0, 1.0 / 3, 1e-3, 1.0 / 7, 65536, 1.0 / 9, 1.0 / 11, 5e4, 0.5});
    logger.info("step {}: loss {}", step, 1.0 / 3);
  };
  report(0);
  const std::int64_t before = allocation_count().own_calls;
  for (std::int64_t step = 1; step < 500; ++step) report(step);
  CHECK(allocation_count().own_calls == before);
}
