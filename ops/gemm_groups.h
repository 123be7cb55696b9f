// Which products of two operands are one GEMM: what the libraries of every backend need to know of an einsum.
//
// The names of an einsum fall into four groups: batch (in A, B and C), rows (A and C), columns (B and C) and contracted
// (not in C). Where each group is one run of dimensions in the same order in every operand, the product is one
// (batched) GEMM whose operands may be transposed:
//   C[batch, row, column] = Σ A[batch, row, contracted] B[batch, contracted, column]
#pragma once

#include <optional>

#include "ops/kernel.h"

namespace ctrain {

// The names of an einsum by group; A is the operand that brings the rows.
struct EinsumNames {
  Names batch, rows, columns, contracted;
};
[[nodiscard]] EinsumNames einsum_names(const Operand& a, const Operand& b, const Operand& c);

// A dimension of a matrix, or its batch: how often it is repeated, and elements between neighbours.
struct StridedDimension {
  std::int64_t extent = 1, stride = 0;
};

struct StridedMatrix {
  StridedDimension batch, rows, columns;
};

struct Gemm {
  StridedMatrix a, b, c;
  Names row_names, column_names;
  bool swapped = false;  // A is the node's second operand and B its first
  bool batched = false;
};

// The node's product of its first two inputs, to its first output; nothing where it is no GEMM or has no elements. The
// operand that brings C's last dimension is B, so that C is row-major.
[[nodiscard]] std::optional<Gemm> gemm_of(const LocalNode& node);

}  // namespace ctrain
