// embedding: rows of a table E[v, h] by index; an index outside this rank's block of v contributes zero, so that the
// lookup is partial over the axes of v.   ids [b, s] (int32), E [v, h] -> [b, s, h]
//
// add_positions: rows of a table P[p, h] by the tokens' own places, of which there are at least as many as tokens.
//   x [b, s, h], P [p, h] -> x + P[s]
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer(const std::vector<Value*>& inputs, const Attributes&) {
  require(inputs[0]->dtype == DType::i32 && inputs[1]->dims.size() == 2, "embedding takes int32 indices and a table");
  Names dims = inputs[0]->dims;
  dims.push_back(inputs[1]->dims[1]);
  return {{dims, inputs[1]->dtype}};
}

Value* gradient(const Node& node, Value* dy, std::size_t i) {
  if (i == 0) return nullptr;
  return dy->graph->apply_one("embedding_grad", {node.inputs[0], dy}, {{"output", node.inputs[1]->dims.text()}});
}

std::vector<OutputSpec> infer_grad(const std::vector<Value*>& inputs, const Attributes& attributes) {
  return {{Names(attributes.text("output")), inputs[1]->dtype}};
}

const OpRegistration embedding(
    "embedding",
    {.name = "embedding", .infer = infer, .gradient = gradient, .claims = ClaimOrder::lookup, .activations = true});
// embedding_grad: (ids, dy) -> dE, rows added at their index
const OpRegistration embedding_grad(
    "embedding_grad", {.name = "embedding_grad", .infer = infer_grad, .claims = ClaimOrder::lookup, .widens = true});

std::vector<OutputSpec> infer_positions(const std::vector<Value*>& inputs, const Attributes&) {
  const Graph& graph = *inputs[0]->graph;
  require(inputs[0]->dims == Names("bsh") && inputs[1]->dims == Names("ph"), "add_positions takes bsh and ph");
  require(graph.extent({'s'}) <= graph.extent({'p'}), "{} tokens have no more than {} positions", graph.extent({'s'}),
          graph.extent({'p'}));
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

Value* gradient_positions(const Node& node, Value* dy, std::size_t i) {
  if (i == 0) return dy;
  return dy->graph->apply_one("add_positions_grad", {dy}, {{"output", node.inputs[1]->dims.text()}});
}

std::vector<OutputSpec> infer_positions_grad(const std::vector<Value*>& inputs, const Attributes& attributes) {
  return {{Names(attributes.text("output")), inputs[0]->dtype}};
}

const OpRegistration add_positions("add_positions", {.name = "add_positions",
                                                     .infer = infer_positions,
                                                     .gradient = gradient_positions,
                                                     .whole = "p",
                                                     .activations = true,
                                                     .overwrites = 0});
// add_positions_grad: dy [b, s, h] -> dP [p, h], summed over the batch; zero where there is no token
const OpRegistration add_positions_grad(
    "add_positions_grad", {.name = "add_positions_grad", .infer = infer_positions_grad, .whole = "p", .widens = true});

}  // namespace
}  // namespace ctrain
