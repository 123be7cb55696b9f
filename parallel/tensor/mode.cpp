#include "parallel/tensor/mode.h"

#include <algorithm>

#include "memory/error.h"
#include "ops/op.h"
#include "parallel/tensor/layout_wish.h"

namespace ctrain {

const AxisTable& Mode::table(const Names& dims) const {
  for (const Name dim : dims)
    if (is_inner_feature(dim)) return inner;
  return stream;
}

Dimensions Mode::dimensions(const Graph& graph) const {
  const bool causal = std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    return node.op->name == "attention" && node.attributes.integer("causal") != 0;
  });
  Dimensions result;
  for (const auto& [dim, extent] : graph.extents()) {
    const auto it = multiples.find(dim.letter);
    result.set(dim, extent, it == multiples.end() ? 1 : it->second);
    if (dim.letter == 's' && causal && mesh.size(ring) > 1) result.set_zigzag(dim, mesh.size(ring));
  }
  return result;
}

bool is_inner_feature(Name name) { return name.letter == 'n' || name.letter == 'f' || name.letter == 'v'; }
bool is_feature(Name name) { return name.letter == 'h' || is_inner_feature(name); }

Names features(const Names& dims) {
  Names result;
  for (const Name name : dims)
    if (is_feature(name)) result.push_back(name);
  return result;
}

static const Value& parameter_of(const Value& value) {
  return value.kind == Value::Kind::parameter ? value : *value.like;
}

Layout rule_layout(const Value& value, const Mode& mode, const Dimensions& dimensions) {
  Layout layout = mode.stored(parameter_of(value), mode, dimensions);
  for (Axes& split : layout.split) split = mode.mesh.without_trivial(split);
  return layout;
}

Layout stored_layout(const Value& value, const Mode& mode, const Dimensions& dimensions) {
  const Value& parameter = parameter_of(value);
  const LayoutWish* wish = find_wish(mode.wishes, parameter.name);
  return wish == nullptr ? rule_layout(parameter, mode, dimensions) : wished_layout(*wish, parameter, mode, dimensions);
}

Axes lookup(const AxisTable& table, Name name) {
  const auto it = table.find(name.letter);
  return it == table.end() ? Axes{} : it->second;
}

Layout layout_from(const AxisTable& table, const Names& dims) {
  Layout result;
  for (std::size_t i = 0; i < dims.size(); ++i) result.split[i] = lookup(table, dims[i]);
  return result;
}

void fold_axis(Layout& layout, const Value& parameter, Axis axis, const Mode& mode, const Dimensions& dimensions) {
  Names candidates{parameter.spread};
  for (std::size_t i = parameter.dims.size(); i-- > 0;)
    if (!candidates.contains(parameter.dims[i])) candidates.push_back(parameter.dims[i]);
  for (const Name name : candidates) {
    Axes& split = layout.of(parameter.dims, name);
    if (dimensions.padded(name) % mode.mesh.size(split.with(axis)) != 0) continue;
    split = split.with(axis);
    return;
  }
  if (features(parameter.dims).size() < 2) return;  // a vector that does not divide lies whole on the axis
  throw usage_error("{}: no dimension of {} divides by mesh axis {} of {} ranks ({} tensor parallelism)",
                    parameter.name, parameter.dims.text(), mode.mesh.name(axis), mode.mesh.size(axis), mode.name);
}

bool takes(const ModeDefinition& definition, const TensorSize& tensor) {
  int product = 1;
  for (const MeshAxis& axis : definition.axes(tensor)) product *= axis.size;
  return product == tensor.size;
}

Mode make_mode(const std::string& name, int data, const TensorSize& tensor, int pipeline) {
  const auto& definition = Registry<ModeDefinition>::instance().get(name.empty() ? "none" : name);
  std::vector<MeshAxis> axes{{"data", data}};
  if (pipeline > 1) axes.push_back({pipeline_axis, pipeline});
  if (!takes(definition, tensor))
    throw usage_error("tensor parallelism {} over {} ranks{}: it takes {}", name.empty() ? "none" : name, tensor.size,
                      tensor.depth > 1 ? fmt::format(" with depth {}", tensor.depth) : "", definition.rule);
  for (MeshAxis& axis : definition.axes(tensor)) axes.push_back(std::move(axis));
  Mode mode;
  mode.name = name.empty() ? "none" : name;
  mode.mesh = Mesh(std::move(axes));
  definition.fill(mode);
  for (AxisTable* table : {&mode.stream, &mode.inner, &mode.embedding, &mode.product})
    for (auto& [letter, split] : *table) split = mode.mesh.without_trivial(split);
  mode.ring = mode.mesh.without_trivial(mode.ring);
  if (tensor.size == 1) mode.summa = false;
  mode.multiples['b'] = mode.mesh.size(lookup(mode.stream, {'b'}));
  return mode;
}

}  // namespace ctrain
