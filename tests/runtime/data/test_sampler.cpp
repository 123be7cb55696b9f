#include "runtime/data/sampler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <vector>

#include "memory/error.h"

using namespace ctrain;

namespace {

std::vector<std::int64_t> order(const Sampler& sampler, std::int64_t epoch_number) {
  std::vector<std::int64_t> result;
  const Sampler::Epoch epoch = sampler.epoch(epoch_number);
  for (std::int64_t step = 0; step < sampler.steps_per_epoch(); ++step) {
    for (std::int64_t row = 0; row < sampler.batch_size(); ++row) result.push_back(epoch.sample(step, row));
  }
  return result;
}

std::vector<std::int64_t> ascending(std::int64_t size) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(size));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

}  // namespace

TEST_CASE("A permutation hits every element once, whatever the size") {
  for (const std::int64_t size : {1, 2, 3, 4, 5, 15, 16, 17, 100, 256, 257, 1000, 4097}) {
    const Permutation permutation(size, 77);
    std::vector<std::int64_t> hit;
    for (std::int64_t i = 0; i < size; ++i) hit.push_back(permutation(i));
    std::sort(hit.begin(), hit.end());
    CHECK(hit == ascending(size));
  }
}

TEST_CASE("Permutations of few elements are about equally likely") {
  std::map<std::vector<std::int64_t>, int> counts;
  for (std::uint64_t key = 0; key < 24000; ++key) {
    const Permutation permutation(4, key * 0x9e3779b97f4a7c15ULL);
    ++counts[{permutation(0), permutation(1), permutation(2), permutation(3)}];
  }
  CHECK(counts.size() == 24);
  for (const auto& [elements, count] : counts) CHECK(std::abs(count - 1000) < 160);  // five standard deviations
}

TEST_CASE("A shuffled epoch leaves neither fixed points nor neighbours beyond chance") {
  const Permutation permutation(60000, 123456789);
  int fixed = 0, neighbours = 0;
  double correlation = 0;
  for (std::int64_t i = 0; i < 60000; ++i) {
    fixed += permutation(i) == i;
    neighbours += i > 0 && permutation(i) == permutation(i - 1) + 1;
    correlation += (static_cast<double>(i) / 60000 - 0.5) * (static_cast<double>(permutation(i)) / 60000 - 0.5) * 12;
  }
  CHECK(fixed < 8);       // one is expected
  CHECK(neighbours < 8);  // one is expected
  CHECK(std::abs(correlation / 60000) < 5 / std::sqrt(60000.0));
}

TEST_CASE("The order is a function of seed and epoch") {
  const SamplerOptions options{.batch_size = 10, .shuffle = true, .drop_last = false, .seed = 3};
  const Sampler sampler(100, options), again(100, options), other(100, {.batch_size = 10, .shuffle = true, .seed = 4});
  CHECK(order(sampler, 5) == order(again, 5));
  CHECK(order(sampler, 5) != order(sampler, 6));
  CHECK(order(sampler, 5) != order(other, 5));
  CHECK(order(sampler, 5) != ascending(100));
  std::vector<std::int64_t> sorted = order(sampler, 5);
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == ascending(100));
  CHECK(order(Sampler(100, {.batch_size = 10}), 5) == ascending(100));
}

TEST_CASE("The batch size changes the cut of an epoch, not its order") {
  const Sampler small(96, {.batch_size = 8, .shuffle = true, .seed = 3}),
      large(96, {.batch_size = 32, .shuffle = true, .seed = 3});
  CHECK(order(small, 1) == order(large, 1));
}

TEST_CASE("The last step is short or left out") {
  const Sampler kept(10, {.batch_size = 4, .shuffle = true, .seed = 1});
  CHECK(kept.steps_per_epoch() == 3);
  CHECK(kept.valid_rows(1) == 4);
  CHECK(kept.valid_rows(2) == 2);
  const std::vector<std::int64_t> rows = order(kept, 0);
  CHECK(std::count(rows.begin(), rows.end(), -1) == 2);
  CHECK(rows[9] >= 0);
  CHECK(rows[10] == -1);
  CHECK(rows[11] == -1);

  const Sampler dropped(10, {.batch_size = 4, .shuffle = true, .drop_last = true, .seed = 1});
  CHECK(dropped.steps_per_epoch() == 2);
  CHECK(order(dropped, 0) == std::vector<std::int64_t>(rows.begin(), rows.begin() + 8));
  CHECK(Sampler(8, {.batch_size = 4}).steps_per_epoch() == 2);
  CHECK(Sampler(3, {.batch_size = 4}).steps_per_epoch() == 1);
  try {
    const Sampler none(3, {.batch_size = 4, .drop_last = true});
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    CHECK_THAT(error.what(), Catch::Contains("3 samples, fewer than a global batch of 4"));
  }
}
