// A small causal language model and token sequences to train it on, for the equality tables: a vocabulary and a number
// of tokens that no mesh divides, labels that are ignored, and the word table as output head as well.
#pragma once

#include <memory>

#include "runtime/data/dataset.h"
#include "runtime/models/model.h"

namespace ctrain {

inline constexpr std::int64_t vocabulary = 61, sequence_length = 13;

struct CausalTransformerOptions {
  std::int64_t hidden = 144, heads = 24, depth = 1;
  bool tied = true;
};
std::unique_ptr<Model> make_causal_transformer(const CausalTransformerOptions& options);

class TokenDataset : public Dataset {
 public:
  explicit TokenDataset(std::int64_t size);
  void read_tokens(std::int64_t index, std::span<std::int32_t> tokens) const override;
};

}  // namespace ctrain
