// How blocks are cut into the parts of a pipeline: Colossal-AI's examples, and an exhaustive search.
#include "parallel/pipeline/stage_cut.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "memory/error.h"

namespace ctrain {
namespace {

using Parts = std::vector<BlockRange>;
using Catch::Matchers::Contains;

std::vector<int> counts(const Parts& parts) {
  std::vector<int> result;
  for (const BlockRange& part : parts) result.push_back(part.last - part.first);
  return result;
}

double heaviest(const std::vector<double>& weights, const Parts& parts) {
  double result = 0;
  for (const BlockRange& part : parts) {
    double sum = 0;
    for (int block = part.first; block < part.last; ++block) sum += weights[static_cast<std::size_t>(block)];
    result = std::max(result, sum);
  }
  return result;
}

// Over all cuts of the blocks from `first` on into so many parts.
double lightest_heaviest(const std::vector<double>& weights, std::size_t first, int parts) {
  double sum = 0, best = std::numeric_limits<double>::infinity();
  if (parts == 1) {
    for (std::size_t block = first; block < weights.size(); ++block) sum += weights[block];
    return sum;
  }
  for (std::size_t next = first + 1; next + static_cast<std::size_t>(parts) - 1 <= weights.size(); ++next) {
    sum += weights[next - 1];
    best = std::min(best, std::max(sum, lightest_heaviest(weights, next, parts - 1)));
  }
  return best;
}

TEST_CASE("Uniform: the last stages take the remainder", "[pipeline]") {
  CHECK(counts(uniform_cut(10, 4, 1)) == std::vector<int>{2, 2, 3, 3});
  CHECK(counts(uniform_cut(7, 4, 1)) == std::vector<int>{1, 2, 2, 2});
  CHECK(counts(uniform_cut(5, 1, 1)) == std::vector<int>{5});
}

TEST_CASE("Uniform with chunks: a stage has one range of every chunk", "[pipeline]") {
  CHECK(uniform_cut(12, 2, 2) == Parts{{0, 3}, {3, 6}, {6, 9}, {9, 12}});  // stage 0 has the first and the third
  CHECK(counts(uniform_cut(14, 4, 2)) == std::vector<int>{1, 2, 2, 2, 1, 2, 2, 2});
}

TEST_CASE("Balanced: Colossal-AI's examples", "[pipeline]") {
  CHECK(balanced_cut({1, 2, 3, 4, 5, 6, 7, 8}, 4, 1) == Parts{{0, 4}, {4, 6}, {6, 7}, {7, 8}});
  CHECK(balanced_cut({10, 1, 1, 1, 1, 1, 1, 10}, 2, 1) == Parts{{0, 4}, {4, 8}});
}

TEST_CASE("Balanced: no part is empty, and the lighter parts are even too", "[pipeline]") {
  CHECK(counts(balanced_cut({9, 1, 1, 1, 1}, 3, 1)) == std::vector<int>{1, 2, 2});
  CHECK(counts(balanced_cut({0, 0, 0, 0, 7}, 3, 1)).size() == 3);
  CHECK(counts(balanced_cut({0, 0, 0}, 3, 1)) == std::vector<int>{1, 1, 1});
  CHECK(counts(balanced_cut({1, 1, 1, 1, 1, 1, 1, 1}, 2, 2)) == std::vector<int>{2, 2, 2, 2});
}

TEST_CASE("Balanced: the heaviest part is the lightest of all cuts", "[pipeline]") {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    const int parts = 1 + static_cast<int>(random() % 5), blocks = parts + static_cast<int>(random() % 7);
    std::vector<double> weights;
    for (int block = 0; block < blocks; ++block) weights.push_back(static_cast<double>(random() % 20));
    const Parts cut = balanced_cut(weights, parts, 1);
    REQUIRE(static_cast<int>(cut.size()) == parts);
    int next = 0;
    for (const BlockRange& part : cut) {
      REQUIRE(part.first == next);
      REQUIRE(part.last > part.first);
      next = part.last;
    }
    REQUIRE(next == blocks);
    REQUIRE(heaviest(weights, cut) == lightest_heaviest(weights, 0, parts));
  }
}

TEST_CASE("Customized: explicit cuts", "[pipeline]") {
  CHECK(customized_cut(7, {1, 3, 5}, 4, 1) == Parts{{0, 1}, {1, 3}, {3, 5}, {5, 7}});
  CHECK(customized_cut(7, {1, 3, 5}, 2, 2) == Parts{{0, 1}, {1, 3}, {3, 5}, {5, 7}});
  CHECK(customized_cut(3, {}, 1, 1) == Parts{{0, 3}});
  CHECK_THROWS_WITH(customized_cut(7, {1, 3}, 4, 1), Contains("cut at 2 places, [1, 3]: 4 stages") && Contains("at 3"));
  CHECK_THROWS_WITH(customized_cut(7, {1, 1, 5}, 4, 1),
                    Contains("[1, 1, 5]") && Contains("ascending numbers from 1 to 6"));
  CHECK_THROWS_WITH(customized_cut(7, {0, 3, 5}, 4, 1), Contains("ascending"));
  CHECK_THROWS_WITH(customized_cut(7, {1, 3, 7}, 4, 1), Contains("ascending"));
  CHECK_THROWS_WITH(customized_cut(7, {1, 9, 5}, 4, 1), Contains("ascending"));
}

TEST_CASE("What cannot be cut names the nearest that can", "[pipeline]") {
  CHECK_THROWS_WITH(uniform_cut(6, 8, 1), Contains("6 blocks over 8 pipeline stages: expected at most 6 stages"));
  CHECK_THROWS_WITH(balanced_cut({1, 1, 1}, 4, 1), Contains("at most 3 stages"));
  CHECK_THROWS_WITH(uniform_cut(12, 4, 4),
                    Contains("16 parts") && Contains("3 stages with 4 chunks") && Contains("3 chunks on 4 stages"));
  CHECK_THROWS_WITH(uniform_cut(3, 2, 4), Contains("nearest 1 chunks on 2 stages"));
  CHECK_THROWS_WITH(uniform_cut(9, 2, 2), Contains("nearest 8 and 10 blocks"));
  CHECK_THROWS_WITH(uniform_cut(9, 0, 1), Contains("expected 1 or more"));
  try {
    (void)uniform_cut(6, 8, 1);
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
  }
}

}  // namespace
}  // namespace ctrain
