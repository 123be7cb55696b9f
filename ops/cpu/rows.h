// A block as rows of its last dimension, of which the first `valid` columns are real and the others padding. Kernels
// select the valid ones and write zero to the others.
#pragma once

#include <optional>

#include "ops/kernel.h"

namespace ctrain::cpu {

struct Rows {
  std::int64_t count = 1, width = 1;
  std::int64_t valid = 1;   // columns whose logical index is below the extent
  std::int64_t extent = 1;  // logical extent of the last dimension
};

// Nothing where padding stands before a valid column.
std::optional<Rows> rows_of(const LocalNode& node, const Operand& block);

// Whether `part` is the last dimensions of `whole`, so that the whole is rows of it.
bool is_suffix(const Operand& part, const Operand& whole);

// The reference kernel, for the cases that a kernel of this backend leaves to it.
Kernel reference_kernel(const LocalNode& node);

}  // namespace ctrain::cpu
