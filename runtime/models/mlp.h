// A multi-layer perceptron: linear layers with an activation between them. Its input is flattened.
// The widths are named h, f, h1, f1, ... in turn, so that tensor parallelism alternates columns and rows, as the
// documents' two-layer example does; the last width of a classifier is c. Parameters: dense_1.weight [out, in],
// dense_1.bias, ...
#pragma once

#include "runtime/models/model.h"

namespace ctrain {

struct MlpOptions {
  std::vector<std::int64_t> dims;  // input, inner widths, output
  std::string activation = "gelu";
  bool bias = true;
  double dropout = 0;  // after every activation
};

[[nodiscard]] std::unique_ptr<Model> make_mlp(const MlpOptions& options);

}  // namespace ctrain
