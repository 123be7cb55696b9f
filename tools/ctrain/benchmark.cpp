// ctrain benchmark: the documented benchmark of tensor-parallel modes. Its ranks are threads of this process.
#include "runtime/benchmark.h"

#include <algorithm>

#include "memory/error.h"
#include "runtime/benchmark_text.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {

int benchmark(const Options& options) {
  if (const auto launcher = detect_launcher(); launcher && launcher->ranks > 1)
    throw usage_error(
        "ctrain benchmark starts its ranks itself, as threads of one process, but {} started {} processes: run it "
        "once, "
        "without {}",
        launcher->launcher, launcher->ranks, launcher->launcher);
  Console console;
  const Logger logger(console, LogLevel::info);
  const WaitPolicy policy = {.warn = [&](const std::string& message) { logger.warning("{}", message); }};
  const std::vector<BenchmarkCase> cases = benchmark_cases(options.benchmark.ranks);
  std::size_t started = 0;
  const std::vector<BenchmarkResult> results =
      run_benchmark(cases, options.benchmark, policy, [&](const BenchmarkCase& configuration) {
        logger.info("{} of {}: {}", ++started, cases.size(), configuration.text());
      });
  print(options.benchmark_json ? benchmark_json(options.benchmark, results)
                               : benchmark_table(options.benchmark, results));
  const bool failed = std::any_of(results.begin(), results.end(), [](const auto& result) { return result.failed(); });
  return failed ? 1 : 0;
}

}  // namespace ctrain
