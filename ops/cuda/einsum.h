// Products of two operands that are no GEMM of cuBLASLt's: any order of names, any of them in a batch.
#pragma once

#include "ops/kernel.h"

namespace ctrain::cuda {

// matmul, or linear with its bias as third input, by plain tiles; sums in fp32, in order. The operands are of one type,
// the output (and a bias) of that type or fp32.
[[nodiscard]] Kernel einsum(const LocalNode& node);

}  // namespace ctrain::cuda
