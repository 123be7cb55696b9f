// attention: scaled dot-product self-attention of packed queries, keys and values, with an online softmax: no op ever
// holds a score matrix. The backward pass recomputes the scores from the row statistics.
//   qkv [b, s, t, n, d] (t = q, k, v) -> o [b, s, n, d], lse [b, s, n] = log Σ_key exp(q·k / sqrt(D))
//   attention_grad: (qkv, o, lse, do) -> dqkv
// Attributes: causal (0, 1); rate and key of the dropout on the probabilities, drawn per logical (b, n, query, key).
// (Dao et al., "FlashAttention", NeurIPS 2022, algorithms 1 and 4.)
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer(const std::vector<Value*>& inputs, const Attributes&) {
  require(inputs[0]->dims == Names("bstnd"), "attention takes bstnd, not {}", inputs[0]->dims.text());
  require(inputs[0]->graph->extent({'t'}) == 3, "attention takes q, k and v");
  return {{Names("bsnd"), inputs[0]->dtype}, {Names("bsn"), inputs[0]->dtype}};
}

Value* gradient(const Node& node, Value* dy, std::size_t) {
  return dy->graph->apply_one("attention_grad", {node.inputs[0], node.outputs[0], node.outputs[1], dy},
                              node.attributes);
}

std::vector<OutputSpec> infer_grad(const std::vector<Value*>& inputs, const Attributes&) {
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

// Two products of 2 B N S² D each forward (half of it where causal), five backward.
double pair_flops(const Node& node) {
  const Graph& graph = *node.inputs[0]->graph;
  const double pairs = static_cast<double>(graph.elements("bnd")) * static_cast<double>(graph.extent({'s'}));
  return 2.0 * pairs * static_cast<double>(graph.extent({'s'})) / (node.attributes.integer("causal") != 0 ? 2 : 1);
}

const OpRegistration attention("attention", {.name = "attention",
                                             .infer = infer,
                                             .gradient = gradient,
                                             .flops = [](const Node& node) { return 2 * pair_flops(node); },
                                             .whole = "std",
                                             .ring = true});
const OpRegistration attention_grad("attention_grad", {.name = "attention_grad",
                                                       .infer = infer_grad,
                                                       .flops = [](const Node& node) { return 5 * pair_flops(node); },
                                                       .whole = "std",
                                                       .ring = true});

}  // namespace
}  // namespace ctrain
