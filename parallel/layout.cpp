#include "parallel/layout.h"

#include <algorithm>

#include "memory/error.h"

namespace ctrain {

bool Layout::uses(Axis axis) const {
  if (partial.contains(axis)) return true;
  for (const Axes& axes : split)
    if (axes.contains(axis)) return true;
  return false;
}

Axes Layout::all() const {
  Axes result;
  for (const Axes& axes : split)
    for (const Axis axis : axes) result.push_back(axis);
  return result;
}

Layout Layout::resolved() const {
  Layout result = *this;
  result.partial = {};
  result.reduction = Reduction::sum;
  return result;
}

void Layout::add_partial(Axis axis) {
  Axes sorted;
  bool placed = false;
  for (const Axis other : partial) {
    if (!placed && axis < other) {
      sorted.push_back(axis);
      placed = true;
    }
    sorted.push_back(other);
  }
  if (!placed) sorted.push_back(axis);
  partial = sorted;
}

std::string Layout::text(const Names& dims, const Mesh& mesh) const {
  const auto axes_text = [&](const Axes& axes) {
    std::string result;
    for (const Axis axis : axes) result += (result.empty() ? "" : ",") + mesh.name(axis);
    return result;
  };
  std::string result;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    result += (i == 0 ? "" : " ") + dims[i].text();
    if (!split[i].empty()) result += "(" + axes_text(split[i]) + ")";
  }
  if (dims.empty()) result = "scalar";
  if (!partial.empty())
    result += fmt::format(" + {} over {}", reduction == Reduction::sum ? "sum" : "max", axes_text(partial));
  return result;
}

void Dimensions::set(Name name, std::int64_t extent, std::int64_t multiple) {
  dimensions_[name] = {extent, (extent + multiple - 1) / multiple * multiple, 0};
}

void Dimensions::set_zigzag(Name name, std::int64_t ranks) {
  set(name, extent(name), 2 * ranks);
  dimensions_[name].zigzag = ranks;
}

Segments Dimensions::stored(Name name, std::int64_t start, std::int64_t length) const {
  const Dimension& dimension = of(name);
  Segments result;
  if (dimension.zigzag == 0) {
    result.runs[0] = {start, length};
    return result;
  }
  const std::int64_t chunk = dimension.padded / (2 * dimension.zigzag);
  std::size_t runs = 0;
  while (length > 0) {
    const std::int64_t place = start / chunk, rank = place / 2, offset = start % chunk;
    const std::int64_t logical = place % 2 == 0 ? rank : 2 * dimension.zigzag - 1 - rank;
    const std::int64_t part = std::min(length, chunk - offset);
    require(runs < result.runs.size(), "a block of dimension {} holds more than two runs of its zigzag order",
            name.text());
    result.runs[runs++] = {logical * chunk + offset, part};
    start += part;
    length -= part;
  }
  return result;
}

const Dimensions::Dimension& Dimensions::of(Name name) const {
  const auto it = dimensions_.find(name);
  require(it != dimensions_.end(), "dimension {} has no extent", name.text());
  return it->second;
}

Extents Dimensions::extents() const {
  Extents result;
  for (const auto& [name, dimension] : dimensions_) result[name] = dimension.extent;
  return result;
}

std::vector<std::int64_t> Dimensions::local_shape(const Names& dims, const Layout& layout, const Mesh& mesh) const {
  std::vector<std::int64_t> shape;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const int blocks = mesh.size(layout.split[i]);
    require(padded(dims[i]) % blocks == 0, "dimension {} of {} does not divide into {} blocks", dims[i].text(),
            padded(dims[i]), blocks);
    shape.push_back(padded(dims[i]) / blocks);
  }
  return shape;
}

std::int64_t Dimensions::local_elements(const Names& dims, const Layout& layout, const Mesh& mesh) const {
  std::int64_t product = 1;
  for (const std::int64_t extent : local_shape(dims, layout, mesh)) product *= extent;
  return product;
}

}  // namespace ctrain
