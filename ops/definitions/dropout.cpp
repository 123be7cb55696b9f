// dropout: y = x keep / (1 - rate), where keep is drawn once per element of the dimensions `over` (all of them for
// dropout; only the batch for drop path, which drops a residual branch of a whole sample).
// The mask is a function of (seed, node name, step, logical index), so it is the same on every mesh, and the backward
// pass draws it again instead of storing it: the gradient is the same op, drawn under the forward node's name (`key`).
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer(const std::vector<Value*>& inputs, const Attributes& attributes) {
  for (const Name name : Names(attributes.text("over")))
    require(inputs[0]->dims.contains(name), "dropout: no dimension {}", name.text());
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

Value* gradient(const Node& node, Value* dy, std::size_t) {
  return dy->graph->apply_one("dropout", {dy}, node.attributes);
}

const OpRegistration registration("dropout",
                                  {.name = "dropout", .infer = infer, .gradient = gradient, .overwrites = 0});

}  // namespace
}  // namespace ctrain
