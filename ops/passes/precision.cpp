#include "ops/passes/precision.h"

#include <algorithm>

#include "ops/op.h"

namespace ctrain {

std::vector<Value*> operands_of(const OpDefinition& op, const std::vector<Value*>& inputs) {
  const auto differs = [&](const Value* value) { return value->dtype != inputs[0]->dtype; };
  if (!op.activations && !(op.additive && std::any_of(inputs.begin(), inputs.end(), differs))) return inputs;
  std::vector<Value*> operands;
  for (Value* input : inputs)
    operands.push_back(is_real(input->dtype) ? input->graph->cast(input, input->graph->activation()) : input);
  return operands;
}

Value* master_gradient(Value* gradient, const Value* parameter) {
  const bool is_sum = gradient->producer != nullptr && gradient->producer->op->widens;
  if (!is_sum) return gradient->graph->cast(gradient, parameter->dtype);
  gradient->dtype = parameter->dtype;
  return gradient;
}

}  // namespace ctrain
