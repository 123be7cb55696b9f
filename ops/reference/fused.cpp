// What a fusion makes of several ops, composed of the kernels of its parts. They are no ops of the logical graph. What
// it makes of products: ops/fused_products.h.
//   cross_entropy_fused     x, labels -> nll, m, e (, correct)
//   layer_norm_fused        x, weight, bias [, residual] -> y, sum, squares [, x + residual]
//   layer_norm_grad_fused   dy, x, sum, squares, weight [, residual's gradient] -> dx, dweight, dbias
// With a residual, it is x + residual that becomes normal; and dx has its gradient added. x + residual may take the
// memory of either, dx that of dy or the residual's gradient, so that it is written last.
#include "memory/error.h"
#include "ops/composition.h"
#include "ops/fused_products.h"
#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

Composition parts_of(const LocalNode& node) { return {node, Backend::reference}; }

Kernel linear(const LocalNode& node) {
  require(!node.accumulate, "linear adds its bias once: it cannot accumulate");
  return parts_of(node).then("matmul", {0, 1}, {3}).then("bias", {3, 2}, {3}).kernel();
}

Kernel layer_norm(const LocalNode& node) {
  Composition parts = parts_of(node);
  const bool adds = node.inputs.size() == 4;
  const std::size_t y = node.inputs.size(), sum = y + 1, squares = y + 2, x = adds ? y + 3 : 0;
  if (adds) parts.then("add", {0, 3}, {x});
  return parts.then("layer_norm_sum", {x}, {sum})
      .then("layer_norm_squares", {x, sum}, {squares})
      .then("layer_norm", {x, sum, squares, 1, 2}, {y})
      .kernel();
}

Kernel layer_norm_grad(const LocalNode& node) {
  Composition parts = parts_of(node);
  const std::size_t dx = node.inputs.size(), dweight = dx + 1, dbias = dx + 2, sums = dx + 3, own = dx + 5;
  const Operand& row_sums = node.inputs[2];
  parts.temporary(row_sums)
      .temporary(row_sums)
      .then("layer_norm_grad_sums", {0, 1, 2, 3, 4}, {sums, sums + 1})
      .then("layer_norm_grad_weight", {0, 1, 2, 3}, {dweight})
      .then("sum", {0}, {dbias});
  const auto input = [&](std::size_t to) {
    parts.then("layer_norm_grad_input", {0, 1, 2, 3, 4, sums, sums + 1}, {to});
  };
  if (node.inputs.size() == 5) {
    input(dx);
  } else {
    parts.temporary(node.outputs[0]);
    input(own);
    parts.then("add", {5, own}, {dx});
  }
  return parts.kernel();
}

Kernel cross_entropy(const LocalNode& node) {
  const Operand& largest = node.outputs[1];
  const bool with_correct = node.outputs.size() == 4;
  const std::size_t target = with_correct ? 6 : 5, place = target + 1;
  Composition parts = parts_of(node).temporary(largest);
  parts.then("class_max", {0}, {3})
      .then("class_sum_exp", {0, 3}, {4})
      .then("class_target", {0, 1}, {target})
      .then("class_nll", {3, 4, target, 1}, {2});
  if (with_correct) parts.temporary(largest).then("class_place", {0, 3}, {place}).then("correct", {place, 1}, {5});
  return parts.kernel();
}

const ReferenceKernel linear_kernel("linear", []<typename>() { return linear; });
const ComposedProducts products[] = {{Backend::reference, DType::f64},
                                     {Backend::reference, DType::f32},
                                     {Backend::reference, DType::bf16},
                                     {Backend::reference, DType::f16}};
const ReferenceKernel norm_kernel("layer_norm_fused", []<typename>() { return layer_norm; });
const ReferenceKernel entropy_kernel("cross_entropy_fused", []<typename>() { return cross_entropy; });
const ReferenceKernel norm_grad_kernel("layer_norm_grad_fused", []<typename>() { return layer_norm_grad; });

}  // namespace
}  // namespace ctrain::reference
