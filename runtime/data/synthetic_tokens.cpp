#include "runtime/data/synthetic_tokens.h"

#include "ops/philox.h"

namespace ctrain {

SyntheticTokens::SyntheticTokens(std::int64_t size, std::int64_t sequence_length, std::int64_t vocabulary,
                                 std::uint64_t seed)
    : Dataset({.size = size,
               .form = InputForm::tokens,
               .input_shape = {sequence_length},
               .num_classes = vocabulary,
               .target_shape = {}}),
      seed_(seed) {}

void SyntheticTokens::read_tokens(std::int64_t index, std::span<std::int32_t> tokens) const {
  const std::uint64_t key = random_key(seed_, "synthetic.tokens", static_cast<std::uint64_t>(index));
  const std::int64_t vocabulary = facts().num_classes;
  auto token = static_cast<std::int64_t>(random_below(key, 0, static_cast<std::uint64_t>(vocabulary)));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<std::int32_t>(token);
    token = (5 * token + 7 + static_cast<std::int64_t>(random_below(key, i + 1, 3))) % vocabulary;
  }
}

}  // namespace ctrain
