// The language form of SyntheticDataset: token sequences that are pure functions of (seed, sample), for tests and
// benchmarks. The first token is any; each next one is 5 x + 7 + noise modulo the vocabulary, where noise is 0, 1 or 2:
// there is a rule to learn, and no model's loss gets below log 3.
#pragma once

#include "runtime/data/dataset.h"

namespace ctrain {

class SyntheticTokens : public Dataset {
 public:
  SyntheticTokens(std::int64_t size, std::int64_t sequence_length, std::int64_t vocabulary, std::uint64_t seed);
  void read_tokens(std::int64_t index, std::span<std::int32_t> tokens) const override;

 private:
  std::uint64_t seed_;
};

}  // namespace ctrain
