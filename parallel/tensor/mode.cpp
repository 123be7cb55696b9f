#include "parallel/tensor/mode.h"

#include "memory/error.h"

namespace ctrain {

const AxisTable& Mode::table(const Names& dims) const {
  for (const Name dim : dims)
    if (is_inner_feature(dim)) return inner;
  return stream;
}

Dimensions Mode::dimensions(const std::map<Name, std::int64_t>& extents) const {
  Dimensions result;
  for (const auto& [dim, extent] : extents) {
    const auto it = multiples.find(dim.letter);
    result.set(dim, extent, it == multiples.end() ? 1 : it->second);
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

Layout stored_layout(const Value& value, const Mode& mode, const Dimensions& dimensions) {
  const Value& parameter = value.kind == Value::Kind::parameter ? value : *value.like;
  Layout layout = mode.stored(parameter, mode, dimensions);
  for (Axes& split : layout.split) split = mode.mesh.without_trivial(split);
  return layout;
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
    Axes& split = layout.split[static_cast<std::size_t>(parameter.dims.index(name))];
    if (dimensions.padded(name) % mode.mesh.size(split.with(axis)) != 0) continue;
    split = split.with(axis);
    return;
  }
  throw usage_error("{}: no dimension of {} divides by mesh axis {} of {} ranks ({} tensor parallelism)",
                    parameter.name, parameter.dims.text(), mode.mesh.name(axis), mode.mesh.size(axis), mode.name);
}

Mode make_mode(const std::string& name, int data, int size) {
  const auto& definition = Registry<ModeDefinition>::instance().get(name.empty() ? "none" : name);
  std::vector<MeshAxis> axes{{"data", data}};
  for (MeshAxis& axis : definition.axes(size)) axes.push_back(std::move(axis));
  Mode mode;
  mode.name = name.empty() ? "none" : name;
  mode.mesh = Mesh(std::move(axes));
  definition.fill(mode);
  for (AxisTable* table : {&mode.stream, &mode.inner, &mode.embedding})
    for (auto& [letter, split] : *table) split = mode.mesh.without_trivial(split);
  if (size == 1) mode.summa = false;
  mode.multiples['b'] = mode.mesh.size(lookup(mode.stream, {'b'}));
  return mode;
}

}  // namespace ctrain
