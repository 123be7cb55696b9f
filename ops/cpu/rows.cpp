#include "ops/cpu/rows.h"

namespace ctrain::cpu {

std::optional<Rows> rows_of(const LocalNode& node, const Operand& block) {
  if (block.dims.empty()) return Rows{};
  const Name last = block.dims.back();
  Rows rows{.count = 1, .width = block.shape.back(), .valid = 0, .extent = node.extent(last)};
  for (std::size_t i = 0; i + 1 < block.shape.size(); ++i) rows.count *= block.shape[i];
  const Segments& indices = node.indices(last);
  while (rows.valid < rows.width && indices.logical(rows.valid) < rows.extent) ++rows.valid;
  for (std::int64_t column = rows.valid; column < rows.width; ++column)
    if (indices.logical(column) < rows.extent) return std::nullopt;
  return rows;
}

bool is_suffix(const Operand& part, const Operand& whole) {
  const std::size_t n = part.dims.size(), all = whole.dims.size();
  if (n > all) return false;
  for (std::size_t i = 0; i < n; ++i)
    if (part.dims[i] != whole.dims[all - n + i]) return false;
  return true;
}

Kernel reference_kernel(const LocalNode& node) { return KernelTable::instance().make(Backend::reference, node); }

}  // namespace ctrain::cpu
