// Token sequences to train a language model on, for the equality tables: a vocabulary and a number of tokens that no
// mesh divides, and labels that are ignored.
#pragma once

#include <algorithm>

#include "runtime/data/synthetic_tokens.h"

namespace ctrain {

inline constexpr std::int64_t vocabulary = 61, sequence_length = 13;

// Every third sample ends early.
class TokenDataset final : public SyntheticTokens {
 public:
  explicit TokenDataset(std::int64_t size) : SyntheticTokens(size, sequence_length, vocabulary, 3) {}
  void read_tokens(std::int64_t index, std::span<std::int32_t> tokens) const override {
    SyntheticTokens::read_tokens(index, tokens);
    if (index % 3 == 0) std::fill(tokens.end() - 4, tokens.end(), -1);
  }
};

}  // namespace ctrain
