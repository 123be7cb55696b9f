// Elementwise ops: add (any number of operands), bias, cast, activations, and the division of two scalars.
#include "ops/build.h"
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> like_first(const std::vector<Value*>& inputs, const Attributes&) {
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

std::vector<OutputSpec> infer_add(const std::vector<Value*>& inputs, const Attributes&) {
  for (const Value* value : inputs)
    require(value->dims == inputs[0]->dims, "add: {} and {}", inputs[0]->dims.text(), value->dims.text());
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

const OpRegistration add("add", {.name = "add",
                                 .infer = infer_add,
                                 .gradient = [](const Node&, Value* dy, std::size_t) { return dy; },
                                 .additive = true,
                                 .overwrites = 0});

// bias: x + b, where b has some of x's dimensions and is broadcast over the others.
std::vector<OutputSpec> infer_bias(const std::vector<Value*>& inputs, const Attributes&) {
  for (const Name name : inputs[1]->dims)
    require(inputs[0]->dims.contains(name), "bias: the operand has no dimension {}", name.text());
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

const OpRegistration bias("bias",
                          {.name = "bias",
                           .infer = infer_bias,
                           .gradient = [](const Node& node, Value* dy,
                                          std::size_t i) { return i == 0 ? dy : sum_to(dy, node.inputs[1]->dims); },
                           .activations = true,
                           .overwrites = 0});

// cast: the same numbers in another element type, rounded to the nearest (ties to even) where it is shorter; `type` is
// its name. Precision passes insert it (ops/passes/precision.h). Its kernels take lists (ops/tensor_list.h).
std::vector<OutputSpec> infer_cast(const std::vector<Value*>& inputs, const Attributes& attributes) {
  return {{inputs[0]->dims, real_type(attributes.text("type"))}};
}

const OpRegistration cast("cast", {.name = "cast",
                                   .infer = infer_cast,
                                   .gradient = [](const Node& node, Value* dy, std::size_t) {
                                     return dy->graph->cast(dy, node.inputs[0]->dtype);
                                   }});

// activation: kind is gelu (exact, with erf), gelu_tanh (GPT-2's, x / (1 + exp(-2u)), u = sqrt(2/π) (x + 0.044715 x³):
// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016), relu or tanh.
Value* gradient_activation(const Node& node, Value* dy, std::size_t) {
  return dy->graph->apply_one("activation_grad", {node.inputs[0], dy}, node.attributes);
}

const OpRegistration activation(
    "activation", {.name = "activation", .infer = like_first, .gradient = gradient_activation, .overwrites = 0});
// activation_grad: (x, dy) -> dx
const OpRegistration activation_grad("activation_grad",
                                     {.name = "activation_grad", .infer = like_first, .overwrites = 1});

// divide: a / b of two scalars; only losses use it, and they bring their own fused gradient.
const OpRegistration divide("divide", {.name = "divide", .infer = like_first});

}  // namespace
}  // namespace ctrain
