// The Vision Transformer (Dosovitskiy et al., ICLR 2021), with timm's composition, parameter names and shapes: pre-norm
// blocks, exact GELU, a class token, learned positions.
#pragma once

#include "runtime/models/model.h"

namespace ctrain {

struct VitOptions {
  std::int64_t img_size = 224, patch_size = 16, in_channels = 3, num_classes = 1000;
  std::int64_t hidden_size = 768, depth = 12, num_heads = 12;
  double mlp_ratio = 4;
  bool qkv_bias = true;
  std::int64_t representation_size = 0;  // 0: none; otherwise a tanh layer of this width before the head
  double dropout = 0, attention_dropout = 0, drop_path = 0;
  // torch: uniform in ±1/sqrt(fan_in) for weights and biases, zero class token and positions;
  // timm: truncated normal 0.02, zero biases, class token normal 1e-6
  std::string init_method = "torch";
  double layer_norm_epsilon = 1e-6;
};

[[nodiscard]] std::unique_ptr<Model> make_vit(const VitOptions& options);

}  // namespace ctrain
