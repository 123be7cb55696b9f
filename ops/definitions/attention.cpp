// attention: scaled dot-product self-attention of packed queries, keys and values, with an online softmax: no op ever
// holds a score matrix. The backward pass recomputes the scores from the row statistics.
//   qkv [b, s, t, n, d] (t = q, k, v) -> o [b, s, n, d], lse [b, n, s] = log Σ_key exp(q·k / sqrt(D))
//   attention_grad: (qkv, o, lse, do) -> dqkv
// Attributes: causal (0, 1); rate and key of the dropout on the probabilities, drawn per logical (b, n, query, key).
// (Dao et al., "FlashAttention", NeurIPS 2022, algorithms 1 and 4.)
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> infer(const std::vector<Value*>& inputs, const Attributes&) {
  require(inputs[0]->dims == Names("bstnd"), "attention takes bstnd, not {}", inputs[0]->dims.text());
  require(inputs[0]->graph->extent({'t'}) == 3, "attention takes q, k and v");
  return {{Names("bsnd"), inputs[0]->dtype}, {Names("bns"), inputs[0]->graph->real()}};
}

Value* gradient(const Node& node, Value* dy, std::size_t) {
  return dy->graph->apply_one("attention_grad", {node.inputs[0], node.outputs[0], node.outputs[1], dy},
                              node.attributes);
}

std::vector<OutputSpec> infer_grad(const std::vector<Value*>& inputs, const Attributes&) {
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

// One product of queries and keys, 2 B N S² D, or half of it where causal. There are two forward, and five backward:
// the scores again, and the gradients of v, of the probabilities, of q and of k.
double product_flops(const Extents& extents, const Attributes& attributes) {
  const auto extent = [&](char letter) { return static_cast<double>(extents.at({letter})); };
  const double all = 2 * extent('b') * extent('n') * extent('s') * extent('s') * extent('d');
  return attributes.integer("causal") != 0 ? all / 2 : all;
}

const OpRegistration attention("attention", {.name = "attention",
                                             .infer = infer,
                                             .gradient = gradient,
                                             .flops =
                                                 [](const Extents& extents, const Attributes& attributes) {
                                                   return 2 * product_flops(extents, attributes);
                                                 },
                                             .whole = "std",
                                             .ring = true,
                                             .activations = true});
const OpRegistration attention_grad("attention_grad", {.name = "attention_grad",
                                                       .infer = infer_grad,
                                                       .flops =
                                                           [](const Extents& extents, const Attributes& attributes) {
                                                             return 5 * product_flops(extents, attributes);
                                                           },
                                                       .whole = "std",
                                                       .ring = true});

}  // namespace
}  // namespace ctrain
