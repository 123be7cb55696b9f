// sum: adds over the names that the output lacks (the gradient of a bias, the total of a loss).
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer(const std::vector<Value*>& inputs, const Attributes& attributes) {
  const Names output(attributes.text("output"));
  for (const Name name : output) require(inputs[0]->dims.contains(name), "sum: no dimension {}", name.text());
  return {{output, inputs[0]->dtype}};
}

// sum_squares: the squared 2-norm of a tensor, for the norm of all gradients. Its kernels take lists
// (ops/tensor_list.h).
std::vector<OutputSpec> infer_squares(const std::vector<Value*>& inputs, const Attributes&) {
  return {{Names(), inputs[0]->graph->real()}};
}

const OpRegistration sum("sum", {.name = "sum", .infer = infer, .widens = true});
const OpRegistration sum_squares("sum_squares", {.name = "sum_squares", .infer = infer_squares});

}  // namespace
}  // namespace ctrain
