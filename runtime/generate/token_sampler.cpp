#include "runtime/generate/token_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/philox.h"

namespace ctrain {

std::int32_t TokenSampler::next(std::span<const float> scores) {
  const auto score = [&](std::int32_t token) { return static_cast<double>(scores[static_cast<std::size_t>(token)]); };
  if (options_.temperature == 0)
    return static_cast<std::int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());

  candidates_.resize(scores.size());
  std::iota(candidates_.begin(), candidates_.end(), 0);
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [&](std::int32_t a, std::int32_t b) { return score(a) > score(b); });
  if (options_.top_k > 0) candidates_.resize(std::min(candidates_.size(), static_cast<std::size_t>(options_.top_k)));

  probabilities_.clear();
  for (const std::int32_t token : candidates_)
    probabilities_.push_back(std::exp((score(token) - score(candidates_[0])) / options_.temperature));
  double kept = options_.top_p * std::accumulate(probabilities_.begin(), probabilities_.end(), 0.0), sum = 0;
  std::size_t count = 0;
  do {
    sum += probabilities_[count++];
  } while (count < probabilities_.size() && sum < kept);

  double rest = random_uniform(random_key(options_.seed, "generate"), draws_++) * sum;
  std::size_t chosen = 0;
  while (chosen + 1 < count && rest >= probabilities_[chosen]) rest -= probabilities_[chosen++];
  return candidates_[chosen];
}

}  // namespace ctrain
