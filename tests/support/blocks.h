// For tests: tensors as plain vectors of doubles, and blocks of them as a mesh would cut them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "ops/kernel.h"

namespace ctrain::testing {

using Tensor = std::vector<double>;      // row-major
using Block = std::map<Name, Segments>;  // the logical indices held; a dimension that is not named is whole

inline Segments whole(std::int64_t extent) { return {{{{0, extent}, {}}}}; }

// The blocks that `parts` ranks hold of a dimension, padded so that all are equally long; `zigzag`: each holds two
// chunks, one from the front and one from the back.
inline std::vector<Segments> split(std::int64_t extent, std::int64_t parts, bool zigzag) {
  const std::int64_t chunks = zigzag ? 2 * parts : parts, length = (extent + chunks - 1) / chunks;
  std::vector<Segments> result;
  for (std::int64_t part = 0; part < parts; ++part) {
    Segments segments{{{{part * length, length}, {}}}};
    if (zigzag) segments.runs[1] = {(chunks - 1 - part) * length, length};
    result.push_back(segments);
  }
  return result;
}

inline std::vector<std::int64_t> local_shape(const Names& dims, const Extents& extents, const Block& block) {
  std::vector<std::int64_t> shape;
  for (const Name name : dims) {
    const auto it = block.find(name);
    shape.push_back(it == block.end() ? extents.at(name) : it->second.length());
  }
  return shape;
}

// For each element of a block, row-major: the flat index of its logical element in the whole tensor; -1 for padding.
inline std::vector<std::int64_t> logical_elements(const Names& dims, const Extents& extents, const Block& block) {
  std::vector<std::int64_t> flat{0};
  for (const Name name : dims) {
    const std::int64_t extent = extents.at(name);
    const auto it = block.find(name);
    const Segments segments = it == block.end() ? whole(extent) : it->second;
    std::vector<std::int64_t> next;
    for (const std::int64_t outer : flat)
      for (std::int64_t j = 0; j < segments.length(); ++j) {
        const std::int64_t logical = segments.logical(j);
        next.push_back(outer < 0 || logical >= extent ? -1 : outer * extent + logical);
      }
    flat = std::move(next);
  }
  return flat;
}

inline Tensor cut(const Tensor& tensor, const Names& dims, const Extents& extents, const Block& block, double padding) {
  Tensor result;
  for (const std::int64_t element : logical_elements(dims, extents, block))
    result.push_back(element < 0 ? padding : tensor[static_cast<std::size_t>(element)]);
  return result;
}

// Largest difference over the largest entry of `expected` (or a larger `scale`); infinite where the shapes differ or a
// number is not finite.
inline double relative_error(const Tensor& actual, const Tensor& expected, double scale = 0) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double difference = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    scale = std::max(scale, std::abs(expected[i]));
    if (actual[i] == expected[i]) continue;
    if (!std::isfinite(actual[i])) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::abs(actual[i] - expected[i]));
  }
  return difference == 0 ? 0 : difference / scale;
}

}  // namespace ctrain::testing
