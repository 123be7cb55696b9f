// The benchmark of Colossal-AI's documents: a multi-layer perceptron under every tensor-parallel mode that a number of
// ranks admits, one after the other, and on one rank. Its input is [batch, sequence, dimension]; its linear layers turn
// `dimension` into 4 x dimension and back in turn, with GELU between them. Numbers are fp32, made up, and the same in
// every mode.
// Forward is the model; backward makes the gradients of its input and of every parameter, as inside a larger model,
// from the output's gradient, which is the output itself (the gradient of half its squares).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "parallel/comm/wait_policy.h"
#include "parallel/tensor/mode.h"

namespace ctrain {

struct BenchmarkSizes {
  std::int64_t batch = 8, sequence = 512, dimension = 1024;
  int layers = 2;
  bool operator==(const BenchmarkSizes&) const = default;
};

struct BenchmarkOptions {
  int ranks = 0;  // threads of this process
  BenchmarkSizes sizes;
  int warmup_steps = 10;
  int profile_steps = 50;
};

struct BenchmarkCase {
  std::string mode = "none";  // none: the baseline, on one rank
  TensorSize tensor;
  [[nodiscard]] std::string text() const;  // "2.5d on 8 ranks (depth 2)"
};

// What one case measured; of the slowest or largest rank.
struct BenchmarkResult {
  BenchmarkCase configuration;
  std::string failure;         // why there is no result; "": there is one
  BenchmarkSizes sizes;        // as they ran
  int threads = 0;             // of each rank
  double forward_seconds = 0;  // medians over the profiled steps
  double backward_seconds = 0;
  std::int64_t parameter_bytes = 0, arena_bytes = 0;  // of the plan; the arena has activations and gradients
  std::int64_t bytes_sent = 0;                        // in one step, as the communicators counted them
  [[nodiscard]] bool failed() const { return !failure.empty(); }
  [[nodiscard]] std::int64_t peak_bytes() const { return parameter_bytes + arena_bytes; }
};

// The baseline, then the documented modes, 2.5d at every depth below the number of ranks, then registered others.
// `sequence` is left out: it splits no weight, and the documents' benchmark has none of it.
[[nodiscard]] std::vector<BenchmarkCase> benchmark_cases(int ranks);

// The batch and the dimension rounded up to the nearest that the mode's splits divide.
[[nodiscard]] BenchmarkSizes round_up(const BenchmarkSizes& sizes, const Mode& mode);

// Runs these cases; `starting` is called before each. Whatever goes wrong in one of them, too little memory among it,
// is told by its result, and the others run.
[[nodiscard]] std::vector<BenchmarkResult> run_benchmark(const std::vector<BenchmarkCase>& cases,
                                                         const BenchmarkOptions& options, const WaitPolicy& policy,
                                                         const std::function<void(const BenchmarkCase&)>& starting);

}  // namespace ctrain
