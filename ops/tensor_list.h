// Lists of tensors. Kernels of cast, sum_squares, sgd_update and adam_update do the same to any number of tensors of
// any sizes but equal element types: the node has the operands of one tensor after those of another. The graph's nodes
// are of one tensor each; parallel/fusion/tensor_lists.cpp joins them. These ops know no indices: what a block's
// padding holds is zero, and stays so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/kernel.h"

namespace ctrain {

struct TensorList {
  TensorList(const LocalNode& node, std::size_t tensors)
      : inputs(node.inputs.size() / tensors), outputs(node.outputs.size() / tensors) {
    for (std::size_t t = 0; t < tensors; ++t) elements.push_back(node.inputs[in(t)].elements());
  }
  [[nodiscard]] std::size_t size() const { return elements.size(); }
  // Where operand k of a tensor stands among the node's.
  [[nodiscard]] std::size_t in(std::size_t tensor, std::size_t k = 0) const { return tensor * inputs + k; }
  [[nodiscard]] std::size_t out(std::size_t tensor, std::size_t k = 0) const { return tensor * outputs + k; }

  std::size_t inputs, outputs;         // of one tensor
  std::vector<std::int64_t> elements;  // of each
};

// Of an optimizer's update: all of a tensor's operands but the gradient are overwritten.
inline TensorList updated_tensors(const LocalNode& node) { return {node, node.inputs.size() - node.outputs.size()}; }
// Of an op with one operand.
inline TensorList operand_tensors(const LocalNode& node) { return {node, node.inputs.size()}; }

}  // namespace ctrain
