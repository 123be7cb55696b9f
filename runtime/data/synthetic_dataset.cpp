// SyntheticDataset: random inputs that are pure functions of (seed, sample, element), for tests and benchmarks.
// Arguments: shape ([channels, height, width] or [features]), num_classes (10) or target_shape, size (1024), seed (0);
// or vocab_size and seq_len instead of the first (synthetic_tokens.h).
//
// There is something to learn, so that a loss falls. With classes, sample i is of class i mod num_classes, and its
// values are that class's pattern plus noise; patterns do not depend on the seed, so that a test set of another seed
// has the same classes. With float targets, target j is a fixed linear function of the inputs: (x[j] - x[j + 1]) / 2,
// indices modulo the number of inputs.
#include <algorithm>
#include <cmath>

#include "ops/philox.h"
#include "runtime/data/dataset.h"
#include "runtime/data/synthetic_tokens.h"

namespace ctrain {
namespace {

constexpr std::int64_t pattern_length = 64;  // a pattern repeats after so many values: a table that stays small
constexpr std::int64_t most_elements = std::int64_t{1} << 31;
constexpr std::int64_t most_classes = std::int64_t{1} << 16;

class SyntheticDataset : public Dataset {
 public:
  SyntheticDataset(const DatasetFacts& facts, std::uint64_t seed)
      : Dataset(facts), inputs_(element_count(facts.input_shape)), noise_key_(random_key(seed, "synthetic.noise")) {
    const std::uint64_t key = random_key(0, "synthetic.pattern");
    patterns_.resize(static_cast<std::size_t>(facts.num_classes * pattern_length));
    for (std::size_t i = 0; i < patterns_.size(); ++i) patterns_[i] = static_cast<float>(random_normal(key, i) / 2);
  }

  void read_values(std::int64_t index, std::span<float> values) const override {
    for (std::int64_t i = 0; i < inputs_; i += 4) {
      const auto words = philox(noise_key_, first_block(index) + static_cast<std::uint64_t>(i / 4));
      for (std::int64_t j = i; j < std::min(i + 4, inputs_); ++j) {
        values[static_cast<std::size_t>(j)] = noise(words[static_cast<std::size_t>(j - i)]);
      }
    }
    if (!has_labels()) return;
    const float* pattern = patterns_.data() + label(index) * pattern_length;
    for (std::int64_t i = 0; i < inputs_; ++i) values[static_cast<std::size_t>(i)] += pattern[i % pattern_length];
  }

  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    return static_cast<std::int32_t>(index % facts().num_classes);
  }

  void read_target(std::int64_t index, std::span<float> target) const override {
    for (std::size_t j = 0; j < target.size(); ++j) {
      const auto first = static_cast<std::int64_t>(j) % inputs_, second = (first + 1) % inputs_;
      target[j] = (noise_at(index, first) - noise_at(index, second)) / 2;
    }
  }

 private:
  // Uniform with variance 1: cheaper than a normal variate, and a benchmark must not be about its data.
  static float noise(std::uint32_t word) { return (static_cast<float>(word) * 0x1p-31F - 1.0F) * std::sqrt(3.0F); }
  [[nodiscard]] std::uint64_t first_block(std::int64_t index) const {
    return static_cast<std::uint64_t>(index) * static_cast<std::uint64_t>((inputs_ + 3) / 4);
  }
  [[nodiscard]] float noise_at(std::int64_t index, std::int64_t i) const {
    return noise(
        philox(noise_key_, first_block(index) + static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)]);
  }

  std::int64_t inputs_;
  std::uint64_t noise_key_;
  std::vector<float> patterns_;  // [num_classes, pattern_length]
};

std::vector<std::int64_t> shape_argument(const Arguments& arguments, std::string_view name) {
  std::vector<std::int64_t> shape = arguments.integers(name);
  std::int64_t elements = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 1 || extent > most_elements / elements) {
      throw arguments.error(name, fmt::format("{}: extents must be positive and not exceed {} elements in all",
                                              arguments.setting(name).inline_text(), most_elements));
    }
    elements *= extent;
  }
  return shape;
}

std::int64_t positive_argument(const Arguments& arguments, std::string_view name, std::int64_t fallback,
                               std::int64_t most) {
  const std::int64_t value = arguments.integer(name, fallback);
  if (value < 1 || value > most) {
    throw arguments.error(name, fmt::format("{}: expected 1 to {}", value, most));
  }
  return value;
}

std::unique_ptr<Dataset> open_tokens(const Arguments& arguments) {
  for (const char* other : {"shape", "num_classes", "target_shape"})
    if (arguments.has(other))
      throw arguments.error(other, "give it, or vocab_size and seq_len for token sequences, not both");
  for (const char* needed : {"vocab_size", "seq_len"})
    if (!arguments.has(needed))
      throw arguments.error("", fmt::format("'{}' is missing: token sequences need it", needed));
  return std::make_unique<SyntheticTokens>(positive_argument(arguments, "size", 1024, most_elements),
                                           positive_argument(arguments, "seq_len", 0, most_elements),
                                           positive_argument(arguments, "vocab_size", 0, most_elements),
                                           static_cast<std::uint64_t>(arguments.integer("seed", 0)));
}

std::unique_ptr<Dataset> open_synthetic(const Arguments& arguments) {
  if (arguments.has("vocab_size") || arguments.has("seq_len")) return open_tokens(arguments);
  DatasetFacts facts;
  facts.form = InputForm::values;
  facts.input_shape = shape_argument(arguments, "shape");
  if (facts.input_shape.size() != 1 && facts.input_shape.size() != 3) {
    throw arguments.error("shape", fmt::format("{}: expected [channels, height, width] or [features]",
                                               arguments.setting("shape").inline_text()));
  }
  facts.size = positive_argument(arguments, "size", 1024, most_elements);
  if (arguments.has("target_shape")) {
    if (arguments.has("num_classes"))
      throw arguments.error("target_shape", "give num_classes or target_shape, not both");
    facts.target_shape = shape_argument(arguments, "target_shape");
  } else {
    facts.num_classes = positive_argument(arguments, "num_classes", 10, most_classes);
  }
  return std::make_unique<SyntheticDataset>(facts, static_cast<std::uint64_t>(arguments.integer("seed", 0)));
}

const Registration<DatasetFactory> register_synthetic("SyntheticDataset", {open_synthetic});

}  // namespace
}  // namespace ctrain
