// Products of small matrices that lie in a level-2 cache, and packing into them. Rows of B and C are whole vectors:
// their lengths are multiples of `lanes`, what is beyond the matrix is zero.
#pragma once

#include <algorithm>

#include "ops/cpu/vectors.h"

namespace ctrain::cpu {

// The left operand of a product, in place: element (m, k) stands at data[m * row + k * column].
struct Factor {
  const float* data;
  std::int64_t row, column;
};

// Part of a tile's product: `rows` x `vectors` sums in registers, A broadcast, B loaded.
template <int rows, int vectors>
inline void product_block(Factor a, const float* b, std::int64_t b_row, std::int64_t depth, float* c,
                          std::int64_t c_row, bool accumulate) {
  Floats sums[rows][vectors];
#pragma GCC unroll 8
  for (int m = 0; m < rows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[m][v] = accumulate ? load(c + m * c_row + v * lanes) : Floats{};
  for (std::int64_t k = 0; k < depth; ++k, b += b_row) {
    Floats right[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) right[v] = load(b + v * lanes);
#pragma GCC unroll 8
    for (int m = 0; m < rows; ++m) {
      const Floats left = broadcast(a.data[m * a.row + k * a.column]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sums[m][v] += left * right[v];
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < rows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) store(c + m * c_row + v * lanes, sums[m][v]);
}

template <int vectors>
inline void product_panel(std::int64_t rows, Factor a, const float* b, std::int64_t b_row, std::int64_t depth, float* c,
                          std::int64_t c_row, bool accumulate) {
  constexpr int most = 6;
  for (; rows >= most; rows -= most, a.data += most * a.row, c += most * c_row)
    product_block<most, vectors>(a, b, b_row, depth, c, c_row, accumulate);
  switch (rows) {
    case 5:
      return product_block<5, vectors>(a, b, b_row, depth, c, c_row, accumulate);
    case 4:
      return product_block<4, vectors>(a, b, b_row, depth, c, c_row, accumulate);
    case 3:
      return product_block<3, vectors>(a, b, b_row, depth, c, c_row, accumulate);
    case 2:
      return product_block<2, vectors>(a, b, b_row, depth, c, c_row, accumulate);
    case 1:
      return product_block<1, vectors>(a, b, b_row, depth, c, c_row, accumulate);
    default:
      return;
  }
}

// C[rows, columns] = A[rows, depth] B[depth, columns], or += where `accumulate`; `columns` is a multiple of `lanes`.
inline void tile_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, Factor a, const float* b,
                         std::int64_t b_row, float* c, std::int64_t c_row, bool accumulate) {
  constexpr int widest = lanes == 16 ? 4 : 2;  // 6 x 4 sums of 32 registers, 6 x 2 of 16
  std::int64_t column = 0;
  for (; column + widest * lanes <= columns; column += widest * lanes)
    product_panel<widest>(rows, a, b + column, b_row, depth, c + column, c_row, accumulate);
  for (; column < columns; column += lanes)
    product_panel<1>(rows, a, b + column, b_row, depth, c + column, c_row, accumulate);
}

// to[i, j] = from[i, j], rows of `to` filled up to whole vectors.
inline void pack(const float* from, std::int64_t from_row, std::int64_t rows, std::int64_t width, float* to) {
  for (std::int64_t i = 0; i < rows; ++i, from += from_row, to += round_up(width, lanes))
    for_vectors(width, [&](std::int64_t j, auto part) { store(to + j, load(from + j, part)); });
}

// to[j, i] = from[i, j], rows of `to` filled up to whole vectors. A square of vectors is transposed by interleaving row
// i with row i + lanes / 2 as often as halving `lanes` gives one.
inline void pack_transposed(const float* from, std::int64_t from_row, std::int64_t rows, std::int64_t width,
                            float* to) {
  const std::int64_t to_row = round_up(rows, lanes);
  for (std::int64_t i = 0; i < rows; i += lanes)
    for_vectors(width, [&](std::int64_t j, auto part) {
      Floats square[lanes], next[lanes];
      for (std::int64_t r = 0; r < lanes; ++r)
        square[r] = i + r < rows ? load(from + (i + r) * from_row + j, part) : Floats{};
#pragma GCC unroll 4
      for (std::int64_t size = lanes; size > 1; size /= 2) {
#pragma GCC unroll 8
        for (std::int64_t r = 0; r < lanes / 2; ++r) {
          next[2 * r] = interleave_low(square[r], square[r + lanes / 2]);
          next[2 * r + 1] = interleave_high(square[r], square[r + lanes / 2]);
        }
#pragma GCC unroll 16
        for (std::int64_t r = 0; r < lanes; ++r) square[r] = next[r];
      }
      const std::int64_t count = std::min(lanes, width - j);
      for (std::int64_t r = 0; r < count; ++r) store(to + (j + r) * to_row + i, square[r]);
    });
}

}  // namespace ctrain::cpu
