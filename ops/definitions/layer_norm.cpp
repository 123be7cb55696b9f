// Layer norm over the last dimension h, in two kinds of op, because h may be split over ranks: statistics that are
// partial over the axes of h, then an application that is local.
//   sum     = Σ_h x                       squares = Σ_h (x - mean)²         (mean first: fp32 loses Σx² - mean²)
//   y       = (x - mean) rstd γ + β       mean = sum / H, rstd = 1 / sqrt(squares / H + epsilon)
//   sums    = [Σ_h dy γ, Σ_h dy γ x̂]      x̂ = (x - mean) rstd
//   dx      = rstd (dy γ - sums₀ / H - x̂ sums₁ / H)          dγ = Σ_rows dy x̂          dβ = Σ_rows dy
// (Ba et al., "Layer Normalization", 2016.) Where h is whole, a fusion joins the three ops of each pass.
#include "ops/build.h"
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> rows(const std::vector<Value*>& inputs, const Attributes&) {
  const Names& dims = inputs[0]->dims;
  return {{dims.without(dims.back()), inputs[0]->graph->real()}};
}
std::vector<OutputSpec> two_rows(const std::vector<Value*>& inputs, const Attributes& attributes) {
  const OutputSpec one = rows(inputs, attributes)[0];
  return {one, one};
}
std::vector<OutputSpec> like_first(const std::vector<Value*>& inputs, const Attributes&) {
  return {{inputs[0]->dims, inputs[0]->dtype}};
}
std::vector<OutputSpec> like_weight(const std::vector<Value*>& inputs, const Attributes&) {
  const Names& dims = inputs[0]->dims;
  return {{Names{dims.back()}, inputs[0]->graph->real()}};
}

Value* gradient(const Node& node, Value* dy, std::size_t i) {
  Graph& graph = *dy->graph;
  Value *x = node.inputs[0], *sum = node.inputs[1], *squares = node.inputs[2], *weight = node.inputs[3];
  switch (i) {
    case 0: {
      const auto sums = graph.apply("layer_norm_grad_sums", {dy, x, sum, squares, weight}, node.attributes);
      return graph.apply_one("layer_norm_grad_input", {dy, x, sum, squares, weight, sums[0], sums[1]}, node.attributes);
    }
    case 3:
      return graph.apply_one("layer_norm_grad_weight", {dy, x, sum, squares}, node.attributes);
    case 4:
      return sum_to(dy, node.inputs[4]->dims);
    default:
      return nullptr;  // of the statistics: contained in that of x
  }
}

const OpRegistration sum("layer_norm_sum", {.name = "layer_norm_sum", .infer = rows});              // x
const OpRegistration squares("layer_norm_squares", {.name = "layer_norm_squares", .infer = rows});  // x, sum
const OpRegistration apply("layer_norm", {.name = "layer_norm", .infer = like_first, .gradient = gradient});
const OpRegistration grad_sums("layer_norm_grad_sums", {.name = "layer_norm_grad_sums", .infer = two_rows});
const OpRegistration grad_input("layer_norm_grad_input",
                                {.name = "layer_norm_grad_input", .infer = like_first, .overwrites = 0});
const OpRegistration grad_weight("layer_norm_grad_weight",
                                 {.name = "layer_norm_grad_weight", .infer = like_weight, .widens = true});

}  // namespace
}  // namespace ctrain
