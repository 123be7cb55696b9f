#include "ops/autodiff.h"

#include <algorithm>
#include <set>
#include <vector>

#include "memory/error.h"
#include "ops/build.h"
#include "ops/op.h"
#include "ops/passes/precision.h"

namespace ctrain {
namespace {

// The parameter that a value is, or is a copy of in another type; or else nullptr.
const Value* master(const Value* value) { return value->kind == Value::Kind::parameter ? value : value->like; }

// Values whose gradient somebody wants: parameters, inputs that ask for it, and what is computed from them.
std::set<const Value*> differentiable(const Graph& graph) {
  std::set<const Value*> result(graph.parameters().begin(), graph.parameters().end());
  for (const Value* input : graph.inputs())
    if (input->wants_gradient) result.insert(input);
  for (const Node& node : graph.nodes())
    for (const Value* input : node.inputs)
      if (result.contains(input)) result.insert(node.outputs.begin(), node.outputs.end());
  return result;
}

}  // namespace

Gradients backward(Graph& graph, Value* root, Value* seed) {
  const std::set<const Value*> wanted = differentiable(graph);
  std::map<const Value*, std::vector<Value*>> contributions;
  Gradients gradients;
  // A gradient made for a parameter takes its stored layout and its type; one that is passed on (`dy` of a sum) stays
  // what it is, but for the type.
  const auto contribute = [&](Value* to, Value* gradient, const Value* dy) {
    if (const Value* parameter = master(to)) {
      const bool is_made = gradient != dy;
      gradient = is_made ? master_gradient(gradient, parameter) : graph.cast(gradient, parameter->dtype);
      if (is_made) gradient->like = parameter;
    }
    contributions[to].push_back(gradient);
  };
  const auto collect = [&](Value* value) -> Value* {
    const auto it = contributions.find(value);
    if (it == contributions.end()) return nullptr;
    // An activation's gradient is summed where it is made, so that a pipeline hands over the sum alone.
    int block = value->block;
    if (master(value) == nullptr) {
      const auto earlier = [](const Value* a, const Value* b) { return a->block < b->block; };
      block = (*std::min_element(it->second.begin(), it->second.end(), earlier))->block;
    }
    graph.set_block(block);
    Value* total = add(it->second);
    graph.set_block(value->block);
    if (it->second.size() > 1) total->like = master(value);
    return gradients[value] = total;
  };

  require(root->producer != nullptr, "backward: the root is not computed");
  graph.mark_backward();
  if (seed != nullptr) contribute(root, seed, seed);
  std::vector<Node*> forward;
  for (Node& node : graph.nodes()) forward.push_back(&node);
  for (auto it = forward.rbegin(); it != forward.rend(); ++it) {
    Node& node = **it;
    graph.set_scope(node.scope());
    graph.set_block(node.block);
    if (&node == root->producer && seed == nullptr) {
      require(!node.fused_gradients.empty(), "backward: {} is no loss and there is no seed", node.name);
      for (const FusedGradient& fused : node.fused_gradients) contribute(fused.of, fused.build(), nullptr);
      continue;
    }
    Value* dy = collect(node.outputs[0]);
    if (dy == nullptr) continue;
    require(node.op->gradient != nullptr, "backward: {} has no gradient", node.op->name);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!wanted.contains(node.inputs[i])) continue;
      if (Value* gradient = node.op->gradient(node, dy, i)) contribute(node.inputs[i], gradient, dy);
    }
  }
  graph.set_scope("");
  for (Value* parameter : graph.parameters()) collect(parameter);
  for (Value* input : graph.inputs())
    if (input->wants_gradient) collect(input);
  return gradients;
}

}  // namespace ctrain
