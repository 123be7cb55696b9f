// What a benchmark tells, in the form of nccl-tests: comment lines with what ran where, then a row for every case.
#pragma once

#include <string>
#include <vector>

#include "runtime/benchmark.h"

namespace ctrain {

[[nodiscard]] std::string benchmark_table(const BenchmarkOptions& options, const std::vector<BenchmarkResult>& results);

// One object on one line: the options, and under `cases` the results, with `failure` in place of what was measured
// where a case failed. Milliseconds and bytes.
[[nodiscard]] std::string benchmark_json(const BenchmarkOptions& options, const std::vector<BenchmarkResult>& results);

}  // namespace ctrain
