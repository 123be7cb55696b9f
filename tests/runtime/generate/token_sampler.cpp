#include "runtime/generate/token_sampler.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

namespace ctrain {
namespace {

// How often each token is chosen among these probabilities (as scores: their logarithms).
std::map<std::int32_t, double> shares(const std::vector<double>& probabilities, const SamplingOptions& options) {
  constexpr int draws = 20000;
  std::vector<float> scores;
  for (const double probability : probabilities) scores.push_back(static_cast<float>(std::log(probability) + 3));
  TokenSampler sampler(options);
  std::map<std::int32_t, double> result;
  for (int i = 0; i < draws; ++i) result[sampler.next(scores)] += 1.0 / draws;
  return result;
}

const std::vector<double> four{0.1, 0.4, 0.2, 0.3};

TEST_CASE("A token is chosen by its probability", "[generate]") {
  const auto found = shares(four, {});
  for (std::size_t i = 0; i < 4; ++i) CHECK(found.at(static_cast<std::int32_t>(i)) == Approx(four[i]).margin(0.015));
  // Half the temperature squares the odds.
  const auto cold = shares(four, {.temperature = 0.5});
  CHECK(cold.at(1) == Approx(0.16 / 0.30).margin(0.015));
  CHECK(cold.at(0) == Approx(0.01 / 0.30).margin(0.015));
}

TEST_CASE("Temperature 0 is the best token, of equal ones the first", "[generate]") {
  TokenSampler sampler({.temperature = 0});
  CHECK(sampler.next(std::vector<float>{1, 3, 3, 2}) == 1);
}

TEST_CASE("top_k and top_p leave the best tokens in their proportions", "[generate]") {
  const auto two = shares(four, {.top_k = 2});
  CHECK(two.size() == 2);
  CHECK(two.at(1) == Approx(0.4 / 0.7).margin(0.015));
  CHECK(shares(four, {.top_k = 9}).size() == 4);
  CHECK(shares(four, {.top_p = 0.65}).size() == 2);  // 0.4 and 0.3 reach it
  CHECK(shares(four, {.top_p = 0.75}).size() == 3);
  CHECK(shares(four, {.top_p = 0.01}).size() == 1);            // never none
  const auto both = shares(four, {.top_k = 2, .top_p = 0.5});  // 0.4 of 0.7 is more than half
  CHECK(both == std::map<std::int32_t, double>{{1, both.at(1)}});
}

TEST_CASE("A seed is a sequence of draws", "[generate]") {
  const std::vector<float> scores(50, 0.0F);
  const auto sequence = [&](std::uint64_t seed) {
    TokenSampler sampler({.seed = seed});
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back(sampler.next(scores));
    return tokens;
  };
  CHECK(sequence(1) == sequence(1));
  CHECK(sequence(1) != sequence(2));
}

}  // namespace
}  // namespace ctrain
