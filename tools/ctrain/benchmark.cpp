// ctrain benchmark: the documented benchmark of tensor-parallel modes. Its ranks are threads of this process.
#include "runtime/benchmark.h"

#include "memory/error.h"
#include "runtime/benchmark_text.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {

int benchmark(const Options& options) {
  if (const auto launcher = detect_launcher(); launcher && launcher->ranks > 1)
    throw usage_error("ctrain benchmark starts its {} ranks itself, but {} started {} processes: run it once, without {0}",
                      options.benchmark.ranks, launcher->launcher, launcher->ranks);
  Console console;
  const Logger logger(console, LogLevel::info);
  const WaitPolicy policy = {.warn = [&](const std::string& message) { logger.warning("{}", message); }};
  const std::vector<BenchmarkCase> cases = benchmark_cases(options.benchmark.ranks);
  std::vector<BenchmarkResult> results;
  bool failed = false;
  for (const BenchmarkCase& configuration : cases) {
    logger.info("{} of {}: {}", results.size() + 1, cases.size(), configuration.text());
    results.push_back(run_benchmark(configuration, options.benchmark, policy));
    failed = failed || !results.back().failure.empty();
  }
  print(options.benchmark_json ? benchmark_json(options.benchmark, results)
                               : benchmark_table(options.benchmark, results));
  return failed ? 1 : 0;
}

}  // namespace ctrain
