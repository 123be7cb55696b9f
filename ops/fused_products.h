// What a fusion makes of a product and what stands next to it, composed of the kernels of its parts: what each op
// means, and what every backend does where its library lacks the whole. They are no ops of the logical graph.
//   linear               x, w, b -> x w + b
//   linear_residual      x, w, b, residual -> x w + b + residual; y may take the residual's memory
//   linear_gelu          x, w, b -> y = gelu(u) [, u = x w + b]; attribute kind, that of an activation
//   matmul_gelu_grad     dy, w, u -> du = (dy w) gelu'(u); attribute kind too
//   linear_grad_weight   x, dy (in any order) -> dw = x dy, db = the sum of dy over all names but db's
#pragma once

#include "ops/kernel.h"

namespace ctrain {

// The kernel of node.op, one of these but linear, on the backend.
[[nodiscard]] Kernel fused_product(const LocalNode& node, Backend backend);

// Makes the backend's kernels of these ops, in this type, compositions.
struct ComposedProducts {
  ComposedProducts(Backend backend, DType real);
};

// Of linear_grad_weight: which input is dy, the one that has db's names.
[[nodiscard]] std::size_t output_gradient(const LocalNode& node);

}  // namespace ctrain
