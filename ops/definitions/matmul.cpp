// matmul: a product of two operands, contracting the names that the output lacks (einsum without repeated names).
//   Y[output] = sum over the contracted names of A[...] B[...]
// Every product of the models is one GEMM on contiguous blocks: linear layers, their gradients, the class head.
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer(const std::vector<Value*>& inputs, const Attributes& attributes) {
  const Names output(attributes.text("output"));
  require(inputs.size() == 2, "matmul takes two operands");
  for (const Name name : output)
    require(inputs[0]->dims.contains(name) || inputs[1]->dims.contains(name), "matmul: nothing brings dimension {}",
            name.text());
  return {{output, inputs[0]->dtype}};
}

Value* gradient(const Node& node, Value* dy, std::size_t i) {
  Value *a = node.inputs[0], *b = node.inputs[1];
  Graph& graph = *dy->graph;
  if (i == 0) return graph.apply_one("matmul", {dy, b}, {{"output", a->dims.text()}});
  // The operand that brings the gradient's first dimension comes first, so that the product is a plain row-major GEMM.
  const bool a_first = a->dims.contains(b->dims[0]);
  return graph.apply_one("matmul", a_first ? std::vector{a, dy} : std::vector{dy, a}, {{"output", b->dims.text()}});
}

// 2 M N K of a GEMM: a multiplication and an addition for every combination of the operands' indices.
double flops(const Extents& extents, const Attributes&) {
  double product = 2;
  for (const auto& [name, extent] : extents) product *= static_cast<double>(extent);
  return product;
}

const OpRegistration registration("matmul", {.name = "matmul",
                                             .infer = infer,
                                             .gradient = gradient,
                                             .flops = flops,
                                             .claims = ClaimOrder::product,
                                             .activations = true,
                                             .widens = true});

}  // namespace
}  // namespace ctrain
