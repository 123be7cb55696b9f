#include "ops/fused_products.h"

#include <algorithm>

#include "memory/error.h"
#include "ops/composition.h"

namespace ctrain {
namespace {

// The product is added to what stands there already, so that nothing needs a place between, and y may be the residual.
Kernel linear_residual(const LocalNode& node, Backend backend) {
  return Composition(node, backend).then("bias", {3, 2}, {4}).then_add("matmul", {0, 1}, 4).kernel();
}

Kernel linear_gelu(const LocalNode& node, Backend backend) {
  const std::size_t y = 3, u = node.outputs.size() == 2 ? 4 : y;
  return Composition(node, backend).then("linear", {0, 1, 2}, {u}).then("activation", {u}, {y}).kernel();
}

Kernel matmul_gelu_grad(const LocalNode& node, Backend backend) {
  return Composition(node, backend).then("matmul", {0, 1}, {3}).then("activation_grad", {2, 3}, {3}).kernel();
}

Kernel linear_grad_weight(const LocalNode& node, Backend backend) {
  return Composition(node, backend).then("matmul", {0, 1}, {2}).then("sum", {output_gradient(node)}, {3}).kernel();
}

struct FusedProduct {
  const char* op;
  Kernel (*compose)(const LocalNode&, Backend);
};

constexpr FusedProduct products[] = {{"linear_residual", linear_residual},
                                     {"linear_gelu", linear_gelu},
                                     {"matmul_gelu_grad", matmul_gelu_grad},
                                     {"linear_grad_weight", linear_grad_weight}};

}  // namespace

Kernel fused_product(const LocalNode& node, Backend backend) {
  require(!node.accumulate, "{}: {} cannot accumulate", node.name, node.op);
  const auto* found = std::find_if(std::begin(products), std::end(products),
                                   [&](const auto& product) { return product.op == node.op; });
  require(found != std::end(products), "{} is no fused product", node.op);
  return found->compose(node, backend);
}

ComposedProducts::ComposedProducts(Backend backend, DType real) {
  for (const FusedProduct& product : products)
    KernelTable::instance().add(backend, product.op, real,
                                [backend](const LocalNode& node) { return fused_product(node, backend); });
}

std::size_t output_gradient(const LocalNode& node) {
  const Names &sums = node.outputs[1].dims, &b = node.inputs[1].dims;
  return std::all_of(sums.begin(), sums.end(), [&](Name name) { return b.contains(name); }) ? 1 : 0;
}

}  // namespace ctrain
