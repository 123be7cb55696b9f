#include "ops/reference/indexing.h"

#include <algorithm>

#include "memory/error.h"

namespace ctrain::reference {
namespace {

using Terms = std::vector<std::int64_t>;

// All sums of one term per dimension, row-major.
Terms all_sums(const std::vector<Terms>& terms_by_dimension) {
  Terms sums{0};
  for (const Terms& terms : terms_by_dimension) {
    Terms next;
    next.reserve(sums.size() * terms.size());
    for (const std::int64_t sum : sums)
      for (const std::int64_t term : terms) next.push_back(sum + term);
    sums = std::move(next);
  }
  return sums;
}

Terms multiples(std::int64_t of, std::int64_t count) {
  Terms terms(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) terms[static_cast<std::size_t>(i)] = i * of;
  return terms;
}

}  // namespace

std::vector<std::int64_t> offsets(const Operand& operand, const Names& dims, const std::vector<Operand>& shapes) {
  std::vector<Terms> terms;
  for (const Name name : dims) {
    const auto it = std::find_if(shapes.begin(), shapes.end(), [&](const Operand& o) { return o.dims.contains(name); });
    require(it != shapes.end(), "no operand has dimension {}", name.text());
    terms.push_back(multiples(operand.stride(name), it->extent(name)));
  }
  return all_sums(terms);
}

std::int64_t local_index(const Segments& segments, std::int64_t logical) {
  std::int64_t before = 0;
  for (const Segments::Run& run : segments.runs) {
    if (logical >= run.start && logical < run.start + run.length) return before + logical - run.start;
    before += run.length;
  }
  return -1;
}

Rows::Rows(const LocalNode& node, const Operand& block) : logical{0} {
  if (block.dims.empty()) return;
  const Name last = block.dims.back();
  width = block.shape.back();
  count = width == 0 ? 0 : block.elements() / width;
  extent = node.extent(last);
  logical.resize(static_cast<std::size_t>(width));
  for (std::int64_t column = 0; column < width; ++column)
    logical[static_cast<std::size_t>(column)] = node.indices(last).logical(column);
}

ElementMap::ElementMap(const std::vector<std::vector<std::int64_t>>& terms_by_dimension) : columns_{0} {
  std::vector<Terms> outer = terms_by_dimension;
  if (!outer.empty()) {
    columns_ = outer.back();
    outer.pop_back();
  }
  rows_ = all_sums(outer);
}

ElementMap positions(const Operand& block, const Operand& operand) {
  std::vector<Terms> terms;
  for (const Name name : block.dims) terms.push_back(multiples(operand.stride(name), block.extent(name)));
  return terms;
}

ElementMap logical_index(const LocalNode& node, const Operand& block, const Names& over) {
  std::vector<Terms> terms(block.dims.size());
  std::int64_t logical_stride = 1;
  for (std::size_t i = block.dims.size(); i-- > 0;) {
    const Name name = block.dims[i];
    terms[i].resize(static_cast<std::size_t>(block.shape[i]));
    if (!over.contains(name)) continue;
    for (std::int64_t j = 0; j < block.shape[i]; ++j)
      terms[i][static_cast<std::size_t>(j)] = node.indices(name).logical(j) * logical_stride;
    logical_stride *= node.extent(name);
  }
  return terms;
}

}  // namespace ctrain::reference
