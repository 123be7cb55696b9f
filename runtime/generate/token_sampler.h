// How the next token is chosen from a language model's scores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ctrain {

struct SamplingOptions {
  double temperature = 1;  // scores are divided by it; 0: always the best token
  std::int64_t top_k = 0;  // only the k best tokens; 0: all
  double top_p = 1;        // of those, only the best whose probabilities add up to p (Holtzman et al., ICLR 2020)
  std::uint64_t seed = 0;
};

class TokenSampler {
 public:
  explicit TokenSampler(const SamplingOptions& options) : options_(options) {}

  // Among tokens of equal score the one with the lower id is the better. Draw i of a seed is always the same.
  [[nodiscard]] std::int32_t next(std::span<const float> scores);

 private:
  SamplingOptions options_;
  std::uint64_t draws_ = 0;
  std::vector<std::int32_t> candidates_;
  std::vector<double> probabilities_;
};

}  // namespace ctrain
