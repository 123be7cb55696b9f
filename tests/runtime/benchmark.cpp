// The documented benchmark: which cases there are, what sizes they run at, what they send.
#include "runtime/benchmark.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "runtime/benchmark_text.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;

// Without the baseline, which comes first everywhere.
std::vector<std::string> cases_of(int ranks) {
  std::vector<std::string> texts;
  for (const BenchmarkCase& found : benchmark_cases(ranks)) texts.push_back(found.text());
  REQUIRE(texts.front() == "none on one rank");
  return {texts.begin() + 1, texts.end()};
}

std::vector<BenchmarkResult> run(const std::vector<BenchmarkCase>& cases, const BenchmarkOptions& options) {
  return run_benchmark(cases, options, {.timeout = 60}, [](const BenchmarkCase&) {});
}

BenchmarkOptions small(int ranks) {
  return {.ranks = ranks, .sizes = {.batch = 3, .sequence = 5, .dimension = 10}, .warmup_steps = 1, .profile_steps = 2};
}

TEST_CASE("Every mode that a number of ranks admits is a case", "[benchmark]") {
  using Texts = std::vector<std::string>;
  CHECK(cases_of(1).empty());
  CHECK(cases_of(2) == Texts{"1d on 2 ranks"});
  CHECK(cases_of(4) == Texts{"1d on 4 ranks", "2d on 4 ranks", "2.5d on 4 ranks (depth 1)"});
  CHECK(cases_of(8) == Texts{"1d on 8 ranks", "2.5d on 8 ranks (depth 2)", "3d on 8 ranks"});
  CHECK(cases_of(9) == Texts{"1d on 9 ranks", "2d on 9 ranks", "2.5d on 9 ranks (depth 1)"});
  CHECK(cases_of(16) ==
        Texts{"1d on 16 ranks", "2d on 16 ranks", "2.5d on 16 ranks (depth 1)", "2.5d on 16 ranks (depth 4)"});
  CHECK(cases_of(18) == Texts{"1d on 18 ranks", "2.5d on 18 ranks (depth 2)"});
  CHECK(cases_of(27) == Texts{"1d on 27 ranks", "2.5d on 27 ranks (depth 3)", "3d on 27 ranks"});
  CHECK(cases_of(64) == Texts{"1d on 64 ranks", "2d on 64 ranks", "2.5d on 64 ranks (depth 1)",
                              "2.5d on 64 ranks (depth 4)", "2.5d on 64 ranks (depth 16)", "3d on 64 ranks"});
}

TEST_CASE("Sizes are rounded up to what the mode's splits divide", "[benchmark]") {
  const BenchmarkSizes sizes{.batch = 8, .sequence = 7, .dimension = 1024};
  const auto rounded = [&](const std::string& mode, const TensorSize& tensor) {
    const BenchmarkSizes result = round_up(sizes, make_mode(mode, 1, tensor));
    CHECK(result.sequence == sizes.sequence);
    CHECK(result.layers == sizes.layers);
    return std::pair(result.batch, result.dimension);
  };
  CHECK(rounded("none", {1}) == std::pair(std::int64_t{8}, std::int64_t{1024}));
  CHECK(rounded("1d", {9}) == std::pair(std::int64_t{8}, std::int64_t{1026}));
  CHECK(rounded("2d", {4}) == std::pair(std::int64_t{8}, std::int64_t{1024}));
  CHECK(rounded("2d", {9}) == std::pair(std::int64_t{9}, std::int64_t{1026}));
  CHECK(rounded("2.5d", {18, 2}) == std::pair(std::int64_t{12}, std::int64_t{1026}));
  CHECK(rounded("3d", {27}) == std::pair(std::int64_t{9}, std::int64_t{1026}));
  CHECK(rounded("3d", {64}) == std::pair(std::int64_t{16}, std::int64_t{1024}));
}

// Elements that a rank sends in one step of dimension -> 4 dimension -> dimension. X, Y, Z are what stands before,
// between and behind the layers, W the weights, b and c the biases. Products: as tests/parallel/tensor/linear_layer.cpp
// derives. Biases, whose gradients are sums over rows:
//   1d    local: b is split as Y's features are, and c is whole where Z and dZ are
//   2d    in q² blocks; gathered over `row` to q of them, gradients reduce-scattered:  2 (q-1)/q² (|b| + |c|)
//   2.5d  in q blocks; gradients all-reduced over `row` and over `depth`:
//                                                                     2 ((q-1)/q + (d-1)/d) (|b| + |c|)/q
//   3d    in q blocks; gradients all-reduced over the two axes of the rows:  4 (q-1)/q (|b| + |c|)/q
std::int64_t elements_sent(const BenchmarkResult& result) {
  const auto& [mode, tensor] = result.configuration;
  const std::int64_t rows = result.sizes.batch * result.sizes.sequence, width = result.sizes.dimension;
  const std::int64_t x = rows * width, y = 4 * x, z = x, w = 4 * width * width, biases = 5 * width;
  const std::int64_t p = tensor.size, d = tensor.depth;
  if (mode == "1d") return 2 * (p - 1) * (x + z) / p;
  const std::int64_t q = 2;  // of every grid and cube of 4 and of 8 ranks
  if (mode == "2d") return 3 * (q - 1) * (x + y + 2 * w) / (q * q) + 2 * (q - 1) * biases / (q * q);
  if (mode == "2.5d")
    return 3 * (q - 1) * ((x + y) / d + 2 * w) / (q * q) + 2 * (d - 1) * 2 * w / (d * q * q) +
           2 * (q - 1) * biases / (q * q) + 2 * (d - 1) * biases / (d * q);
  if (mode == "3d") return (q - 1) * (3 * (x + y + 2 * w) + 2 * (y + z)) / (q * q * q) + 4 * (q - 1) * biases / (q * q);
  return 0;  // one rank
}

TEST_CASE("Every case runs, and its ranks send what the closed forms say", "[benchmark]") {
  for (const int ranks : {4, 8}) {
    const std::vector<BenchmarkCase> cases = benchmark_cases(ranks);
    const std::vector<BenchmarkResult> results = run(cases, small(ranks));
    REQUIRE(results.size() == cases.size());
    for (const BenchmarkResult& result : results) {
      INFO(result.configuration.text() << " " << result.failure);
      CHECK_FALSE(result.failed());
      CHECK(result.bytes_sent == 4 * elements_sent(result));
      CHECK(result.threads >= 1);
      CHECK(result.forward_seconds > 0);
      CHECK(result.backward_seconds > 0);
    }
  }
}

TEST_CASE("Memory is what the layouts say", "[benchmark]") {
  BenchmarkOptions options = small(8);
  options.sizes = {.batch = 8, .sequence = 16, .dimension = 64};
  const std::int64_t weights = 4 * 2 * 4 * 64 * 64;  // bytes; biases and their alignment are less than a tenth of it
  const auto share = [&](const BenchmarkCase& configuration) {
    const BenchmarkResult result = run({configuration}, options).front();
    CHECK(result.arena_bytes > result.parameter_bytes);  // gradients alone are as much
    CHECK(result.peak_bytes() == result.parameter_bytes + result.arena_bytes);
    return static_cast<double>(result.parameter_bytes) / static_cast<double>(weights);
  };
  CHECK(share({}) == Approx(1).epsilon(0.1));
  CHECK(share({"1d", {8}}) == Approx(1 / 8.0).epsilon(0.1));
  CHECK(share({"2.5d", {8, 2}}) == Approx(1 / 4.0).epsilon(0.1));
  CHECK(share({"3d", {8}}) == Approx(1 / 8.0).epsilon(0.1));
}

TEST_CASE("A case that fails says why, and leaves the others alone", "[benchmark]") {
  const BenchmarkOptions options = small(4);
  const std::vector<BenchmarkResult> results = run({{}, {"2d", {5}}, {"none of ours", {4}}, {"1d", {4}}}, options);
  REQUIRE(results.size() == 4);
  CHECK_FALSE(results[0].failed());
  CHECK_THAT(results[1].failure, Contains("a square number"));
  CHECK_THAT(results[2].failure, Contains("none of ours"));
  CHECK_FALSE(results[3].failed());
  const std::string table = benchmark_table(options, results);
  CHECK_THAT(table, Contains("failed: " + results[1].failure) && Contains("failed: " + results[2].failure));
}

TEST_CASE("What no memory can hold is refused before it is tried", "[benchmark]") {
  BenchmarkOptions options = small(4);
  const auto failure = [&] { return run({{"2d", {4}}}, options).front().failure; };
  options.sizes.dimension = std::int64_t{1} << 30;  // more bytes than a number of 64 bits counts
  CHECK_THAT(failure(), Contains("out of memory"));
  options.sizes.dimension = std::int64_t{1} << 20;  // 32 TiB of weights
  CHECK_THAT(failure(), Contains("out of memory") && Contains("by each rank (4 here)"));
}

TEST_CASE("The table and the JSON tell the same", "[benchmark]") {
  const BenchmarkOptions options = small(4);
  std::vector<BenchmarkResult> results = run(benchmark_cases(4), options);
  results.push_back({.configuration = {"2.5d", {4, 1}}, .failure = "a \"reason\"", .sizes = options.sizes});
  const std::string table = benchmark_table(options, results);
  const auto json = nlohmann::json::parse(benchmark_json(options, results));
  CHECK(json["gpus"] == 4);
  CHECK(json["batch_size"] == 3);
  CHECK(json["dimension"] == 10);
  CHECK(json["profile_steps"] == 2);
  REQUIRE(json["cases"].size() == results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& entry = json["cases"][i];
    const BenchmarkResult& result = results[i];
    CHECK(entry["mode"] == result.configuration.mode);
    CHECK(entry["ranks"] == result.configuration.tensor.size);
    CHECK(entry["depth"].is_null() == (result.configuration.mode != "2.5d"));
    CHECK(entry["batch_size"] == result.sizes.batch);
    if (result.failed()) {
      CHECK(entry["failure"] == "a \"reason\"");
      CHECK_FALSE(entry.contains("forward_ms"));
      CHECK_THAT(table, Contains("failed: a \"reason\"\n"));
      continue;
    }
    CHECK(entry["bytes_sent"] == result.bytes_sent);
    CHECK(entry["peak_memory_bytes"] == result.peak_bytes());
    CHECK(entry["forward_ms"] == Approx(result.forward_seconds * 1e3));
    CHECK_THAT(table, Contains(fmt::format("  {}  ", result.configuration.mode)) &&
                          Contains(fmt::format("{:.3f}", result.backward_seconds * 1e3)));
  }
  CHECK_THAT(table, Contains("4*") && Contains("# * rounded up"));  // 2d: a batch of 3 becomes 4
}

}  // namespace
}  // namespace ctrain
