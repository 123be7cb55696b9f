// Where the elements of a rank's block stand in the logical tensor: what initialisers, checkpoints and tests walk over.
#pragma once

#include <cstdint>
#include <functional>

#include "parallel/program.h"

namespace ctrain {

// `length` elements, contiguous in the block from `local`, stand at `logical`, `logical + stride`, ... of the whole
// tensor.
struct BlockRun {
  std::int64_t local = 0, logical = 0, stride = 1, length = 0;
};

// Visits the block's elements that are not padding. `order` is the logical tensor's order of dimensions, slowest first
// (the block's own, or that of a checkpoint).
void visit_runs(const Program& program, const Block& block, const Names& order,
                const std::function<void(const BlockRun&)>& visit);

// The logical indices that the program's rank holds of a dimension split over these axes.
[[nodiscard]] Segments held_indices(const Program& program, Name dim, const Axes& split);

}  // namespace ctrain
