// What a fusion makes of several ops, composed of the kernels of its parts. They are no ops of the logical graph. What
// it makes of products: ops/fused_products.h.
//   layer_norm_fused        x, weight, bias -> y, sum, squares
//   layer_norm_grad_fused   dy, x, sum, squares, weight -> dx, dweight, dbias
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
  return parts_of(node)
      .then("layer_norm_sum", {0}, {4})
      .then("layer_norm_squares", {0, 4}, {5})
      .then("layer_norm", {0, 4, 5, 1, 2}, {3})
      .kernel();
}

Kernel layer_norm_grad(const LocalNode& node) {
  const Operand& row_sums = node.inputs[2];
  return parts_of(node)
      .temporary(row_sums)
      .temporary(row_sums)
      .then("layer_norm_grad_sums", {0, 1, 2, 3, 4}, {8, 9})
      .then("layer_norm_grad_input", {0, 1, 2, 3, 4, 8, 9}, {5})
      .then("layer_norm_grad_weight", {0, 1, 2, 3}, {6})
      .then("sum", {0}, {7})
      .kernel();
}

const ReferenceKernel linear_kernel("linear", []<typename>() { return linear; });
const ComposedProducts products[] = {{Backend::reference, DType::f64},
                                     {Backend::reference, DType::f32},
                                     {Backend::reference, DType::bf16},
                                     {Backend::reference, DType::f16}};
const ReferenceKernel norm_kernel("layer_norm_fused", []<typename>() { return layer_norm; });
const ReferenceKernel norm_grad_kernel("layer_norm_grad_fused", []<typename>() { return layer_norm_grad; });

}  // namespace
}  // namespace ctrain::reference
