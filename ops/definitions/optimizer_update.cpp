// Optimizer updates: parameters and states are overwritten. The learning rate and the step number come from StepState.
//   sgd_update   p, g        p -= lr (g + decay p)
//   sgd_update   p, g, v     v = momentum v + (g + decay p) (v = g + decay p at step 0); p -= lr v, as PyTorch's SGD
//   adam_update  p, g, m, v  m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= lr m̂ / (sqrt(v̂) + ε)
// Attributes of adam_update: beta1, beta2, epsilon, decay, decoupled (1: AdamW, p is first scaled by 1 - lr decay; 0:
// Adam, decay p is added to g). (Kingma and Ba, ICLR 2015, algorithm 1; Loshchilov and Hutter, ICLR 2019, algorithm 2.)
// Their kernels take lists of tensors (ops/tensor_list.h).
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer_sgd(const std::vector<Value*>& inputs, const Attributes&) {
  std::vector<OutputSpec> outputs{{inputs[0]->dims, inputs[0]->dtype}};
  if (inputs.size() == 3) outputs.push_back(outputs[0]);
  return outputs;
}
std::vector<OutputSpec> infer_adam(const std::vector<Value*>& inputs, const Attributes&) {
  const OutputSpec one{inputs[0]->dims, inputs[0]->dtype};
  return {one, one, one};
}

const OpRegistration sgd("sgd_update", {.name = "sgd_update", .infer = infer_sgd, .in_place = {0, 2}});
const OpRegistration adam("adam_update", {.name = "adam_update", .infer = infer_adam, .in_place = {0, 2, 3}});

}  // namespace
}  // namespace ctrain
