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

// Visits the elements that are not padding of the block that `rank` has where the program's rank has this one. `order`
// is the logical tensor's order of dimensions, slowest first (the block's own, or that of a checkpoint).
void visit_runs(const Program& program, int rank, const Block& block, const Names& order,
                const std::function<void(const BlockRun&)>& visit);

// The logical indices that a rank of the program's mesh holds of a dimension split over these axes.
[[nodiscard]] Segments held_indices(const Program& program, int rank, Name dim, const Axes& split);

}  // namespace ctrain
