#include "runtime/data/sampler.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "memory/error.h"
#include "ops/philox.h"

namespace ctrain {
namespace {

constexpr std::uint64_t rounds = 8;  // four suffice for a large range; a small one mixes slower

}  // namespace

Permutation::Permutation(std::int64_t size, std::uint64_t key) : size_(static_cast<std::uint64_t>(size)), key_(key) {
  require(size >= 1, "a permutation of {} elements", size);
  half_bits_ = std::max((static_cast<int>(std::bit_width(size_ - 1)) + 1) / 2, 1);
}

std::int64_t Permutation::operator()(std::int64_t index) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<std::uint64_t>(index);
  do {
    std::uint64_t left = value >> half_bits_, right = value & mask;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      left = std::exchange(right, left ^ (philox(key_, round << 32 | right)[0] & mask));
    }
    value = left << half_bits_ | right;
  } while (value >= size_);
  return static_cast<std::int64_t>(value);
}

Sampler::Sampler(std::int64_t dataset_size, const SamplerOptions& options) : size_(dataset_size), options_(options) {
  require(options.batch_size >= 1 && dataset_size >= 1, "a batch of {} from {} samples", options.batch_size,
          dataset_size);
  const std::int64_t full = dataset_size / options.batch_size, rest = dataset_size % options.batch_size;
  steps_per_epoch_ = full + (rest > 0 && !options.drop_last ? 1 : 0);
  if (steps_per_epoch_ == 0) {
    throw usage_error(
        "the dataset has {} samples, fewer than a global batch of {}, and drop_last leaves out what does not fill one",
        dataset_size, options.batch_size);
  }
}

std::int64_t Sampler::valid_rows(std::int64_t step) const {
  return std::clamp(size_ - step * options_.batch_size, std::int64_t{0}, options_.batch_size);
}

Sampler::Epoch Sampler::epoch(std::int64_t number) const {
  return {*this, Permutation(size_, random_key(options_.seed, "sampler", static_cast<std::uint64_t>(number)))};
}

std::int64_t Sampler::Epoch::sample(std::int64_t step, std::int64_t row) const {
  if (row >= sampler_.valid_rows(step)) return -1;
  const std::int64_t position = step * sampler_.options_.batch_size + row;
  return sampler_.options_.shuffle ? order_(position) : position;
}

}  // namespace ctrain
