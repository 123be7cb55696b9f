// Ops on the token dimension s of a vision transformer. No op concatenates: patchify leaves slot 0 free and set_token
// writes the class token there, so block boundaries never shift and any number of ranks may split s.
//   patchify      image [b, i, y, x] -> [b, s, k]: row 1 + p is patch p (row-major), features k in (channel, row,
//   column)
//                 order as in timm's patch embedding; row 0 is zero
//   set_token     x [b, s, h], token [h] -> x with the token at s = 0
//   clear_token   x -> x with zero at s = 0 (gradient of set_token)
//   select_token  x [b, s, h] -> [b, h] at s = 0; a contraction over s with a one-hot
//   place_token   [b, h] -> [b, s, h], zero elsewhere (gradient of select_token)
#include "ops/build.h"
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> like_first(const std::vector<Value*>& inputs, const Attributes&) {
  return {{inputs[0]->dims, inputs[0]->dtype}};
}

std::vector<OutputSpec> infer_patchify(const std::vector<Value*>& inputs, const Attributes& attributes) {
  const Graph& graph = *inputs[0]->graph;
  const std::int64_t patch = attributes.integer("patch");
  const std::int64_t rows = graph.extent({'y'}) / patch, columns = graph.extent({'x'}) / patch;
  require(inputs[0]->dims == Names("biyx"), "patchify takes images biyx, not {}", inputs[0]->dims.text());
  require(graph.extent({'s'}) == rows * columns + 1, "patchify: {} tokens for {} x {} patches", graph.extent({'s'}),
          rows, columns);
  require(graph.extent({'k'}) == graph.extent({'i'}) * patch * patch, "patchify: patches of {} features",
          graph.extent({'k'}));
  return {{Names("bsk"), inputs[0]->dtype}};
}

std::vector<OutputSpec> without_s(const std::vector<Value*>& inputs, const Attributes&) {
  require(inputs[0]->dims.contains({'s'}), "select_token: no token dimension in {}", inputs[0]->dims.text());
  return {{inputs[0]->dims.without({'s'}), inputs[0]->dtype}};
}

std::vector<OutputSpec> infer_place(const std::vector<Value*>& inputs, const Attributes& attributes) {
  return {{Names(attributes.text("output")), inputs[0]->dtype}};
}

Value* gradient_set(const Node& node, Value* dy, std::size_t i) {
  if (i == 0) return dy->graph->apply_one("clear_token", {dy});
  return sum_to(dy->graph->apply_one("select_token", {dy}), node.inputs[1]->dims);
}

Value* gradient_select(const Node& node, Value* dy, std::size_t) {
  return dy->graph->apply_one("place_token", {dy}, {{"output", node.inputs[0]->dims.text()}});
}

const OpRegistration patchify("patchify", {.name = "patchify", .infer = infer_patchify, .whole = "iyx"});
const OpRegistration set_token(
    "set_token",
    {.name = "set_token", .infer = like_first, .gradient = gradient_set, .activations = true, .overwrites = 0});
const OpRegistration clear_token("clear_token", {.name = "clear_token", .infer = like_first, .overwrites = 0});
const OpRegistration select_token("select_token",
                                  {.name = "select_token", .infer = without_s, .gradient = gradient_select});
const OpRegistration place_token("place_token", {.name = "place_token", .infer = infer_place});

}  // namespace
}  // namespace ctrain
