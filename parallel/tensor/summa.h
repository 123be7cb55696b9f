// SUMMA (van de Geijn and Watts, "SUMMA: Scalable Universal Matrix Multiplication Algorithm", 1997; Xu et al. 2021,
// algorithms 1 to 3): the three blocked products of 2d tensor parallelism on a q x q grid of ranks (i, j) = (row, col).
// A rank holds block (i, j) of each matrix and, at any time, at most one foreign block of each operand: never a
// gathered operand. A broadcast along `col` goes to the ranks of the same row i.
//   AB   C = A B     for k: A(i,k) along col, B(k,j) along row;  C(i,j) += A(i,k) B(k,j)
//   ABt  C = A Bᵀ    for k: B(k,j) along row;  A(i,j) B(k,j)ᵀ reduced along col to (i,k)
//   AtB  C = Aᵀ B    for k: A(i,k) along col;  A(i,k)ᵀ B(i,j) reduced along row to (k,j)
// Elements sent per rank: (q-1)/q² (|A| + |B|), (q-1)/q² (|B| + |C|), (q-1)/q² (|A| + |C|).
#pragma once

#include "parallel/program_builder.h"

namespace ctrain {

enum class SummaProduct { AB, ABt, AtB };

// Appends the product's steps; `c` is the block that receives C(i, j). Which index of A, B and C is which follows from
// the names of their dimensions.
void append_summa(ProgramBuilder& builder, SummaProduct product, BlockId a, BlockId b, BlockId c);

}  // namespace ctrain
