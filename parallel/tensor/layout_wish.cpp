#include "parallel/tensor/layout_wish.h"

#include <algorithm>

#include "memory/error.h"

namespace ctrain {
namespace {

// Our dimensions that make up dimension `index` of the public shape: of [3h, h] in the order tndh, t n d and h.
Names dimensions_of(const Value& parameter, std::size_t index, const Dimensions& dimensions) {
  const Names& order = parameter.form.order.empty() ? parameter.dims : parameter.form.order;
  std::size_t next = 0;
  for (std::size_t i = 0; i < parameter.form.shape.size(); ++i) {
    Names group;
    std::int64_t product = 1;
    while (next < order.size() &&
           (product < parameter.form.shape[i] || (group.empty() && dimensions.extent(order[next]) == 1))) {
      product *= dimensions.extent(order[next]);
      group.push_back(order[next++]);
    }
    if (i == index) return group;
  }
  return {};
}

}  // namespace

bool fits_pattern(const std::string& name, const std::string& pattern) {
  std::size_t n = 0, p = 0, star = std::string::npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != std::string::npos) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string::npos;
}

const LayoutWish* find_wish(const std::vector<LayoutWish>& wishes, const std::string& name) {
  const auto it = std::find_if(wishes.begin(), wishes.end(),
                               [&](const LayoutWish& wish) { return fits_pattern(name, wish.pattern); });
  return it == wishes.end() ? nullptr : &*it;
}

Layout wished_layout(const LayoutWish& wish, const Value& parameter, const Mode& mode, const Dimensions& dimensions) {
  Layout layout;
  if (!wish.dimension.has_value()) return layout;
  const int rank = static_cast<int>(parameter.form.shape.size());
  const int index = *wish.dimension < 0 ? *wish.dimension + rank : *wish.dimension;
  if (index < 0 || index >= rank)
    throw usage_error("{} has {} dimensions, none of them is number {}", parameter.name, rank, *wish.dimension);
  Axes tensor;
  for (Axis axis = 0; axis < static_cast<Axis>(mode.mesh.axes().size()); ++axis)
    if (mode.mesh.size(axis) > 1 && mode.mesh.name(axis) != "data") tensor.push_back(axis);
  for (const Name name : dimensions_of(parameter, static_cast<std::size_t>(index), dimensions)) {
    if (dimensions.padded(name) % mode.mesh.size(tensor) != 0) continue;
    layout.of(parameter.dims, name) = tensor;
    return layout;
  }
  throw usage_error("dimension {} of {}, {}, does not divide into {} equal parts", index, parameter.name,
                    parameter.form.shape[static_cast<std::size_t>(index)], mode.mesh.size(tensor));
}

}  // namespace ctrain
