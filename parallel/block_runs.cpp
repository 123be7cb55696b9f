#include "parallel/block_runs.h"

#include <algorithm>
#include <array>

namespace ctrain {

Segments held_indices(const Program& program, int rank, Name dim, const Axes& split) {
  const std::int64_t length = program.dimensions.padded(dim) / program.mesh.size(split);
  return program.dimensions.stored(dim, program.mesh.block(rank, split) * length, length);
}

void visit_runs(const Program& program, int rank, const Block& block, const Names& order,
                const std::function<void(const BlockRun&)>& visit) {
  const Names& dims = block.operand.dims;
  const std::size_t count = dims.size();
  if (count == 0) return visit({0, 0, 1, 1});

  std::array<Segments, Names::capacity> held;
  std::array<std::int64_t, Names::capacity> extent{}, stride{};  // logical
  std::int64_t product = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto d = static_cast<std::size_t>(dims.index(order[i]));
    extent[d] = program.dimensions.extent(order[i]);
    stride[d] = product;
    product *= extent[d];
  }
  std::int64_t rows = 1;
  for (std::size_t d = 0; d < count; ++d) {
    held[d] = held_indices(program, rank, dims[d], block.layout.split[d]);
    if (d + 1 < count) rows *= held[d].length();
  }
  const std::size_t last = count - 1;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t rest = row, logical = 0;
    bool padding = false;
    for (std::size_t d = last; d-- > 0;) {
      const std::int64_t index = held[d].logical(rest % held[d].length());
      rest /= held[d].length();
      padding = padding || index >= extent[d];
      logical += index * stride[d];
    }
    if (padding) continue;
    std::int64_t local = row * held[last].length();
    for (const Segments::Run& run : held[last].runs) {
      const std::int64_t length = std::clamp<std::int64_t>(extent[last] - run.start, 0, run.length);
      if (length > 0) visit({local, logical + run.start * stride[last], stride[last], length});
      local += run.length;
    }
  }
}

}  // namespace ctrain
