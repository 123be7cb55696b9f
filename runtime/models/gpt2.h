// GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019) and GPT-3's dense layers: a
// causal transformer with pre-norm blocks, learned positions, tanh GELU and a head that is the word table again.
// Parameters have the names and shapes of Hugging Face's GPT2LMHeadModel, which stores the weights of linear layers as
// [in, out].
#pragma once

#include "runtime/models/model.h"

namespace ctrain {

struct Gpt2Options {
  std::int64_t vocab_size = 50257, max_position_embeddings = 1024;
  std::int64_t hidden_size = 768, depth = 12, num_heads = 12;
  double mlp_ratio = 4;
  double dropout = 0, attention_dropout = 0, embed_dropout = 0;
  bool tie_word_embeddings = true;
  double layer_norm_epsilon = 1e-5;
};

// Takes tokens [b, s] with s up to max_position_embeddings, gives logits [b, s, vocabulary].
[[nodiscard]] std::unique_ptr<Model> make_gpt2(const Gpt2Options& options);

}  // namespace ctrain
