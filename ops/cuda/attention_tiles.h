// Products of tiles in shared memory, as the attention kernels use them. A block is a grid of `ty` by 8 threads `tx`:
// a thread holds rows ty + row_threads * i of a result, and of those columns tx + 8 j of a product of two tiles' rows,
// or columns 32 g + 4 tx ... + 3 of a product with a tile. Eight neighbours in a warp share their rows, so what they
// write to a row of shared memory needs no more than __syncwarp() before they read it.
#pragma once

#include "ops/cuda/vectors.h"

namespace ctrain::cuda {

constexpr int row_lanes = 8;  // threads that share rows
constexpr int padding = 4;    // floats behind a row in shared memory: rows begin in different banks, vectors stay whole

template <int rows, int width>
struct alignas(16) Tile {
  float elements[rows][width + padding];
  __device__ float* operator[](int row) { return elements[row]; }
  __device__ const float* operator[](int row) const { return elements[row]; }
};

__device__ inline float sum_of_row_lanes(float x) {
  for (int lane = row_lanes / 2; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffU, x, lane);
  return x;
}
__device__ inline float largest_of_row_lanes(float x) {
  for (int lane = row_lanes / 2; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffU, x, lane));
  return x;
}

// Whether rows of this width can be read 16 bytes at a time from these addresses, each a multiple of rows away from an
// operand's first element.
template <typename T, typename... Pointers>
bool whole_vectors(int width, Pointers... pointers) {
  return width % vector_width<T> == 0 && (... && (reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0));
}

__host__ __device__ constexpr int round_up(int x, int multiple) { return (x + multiple - 1) / multiple * multiple; }

// `count` rows of `used` elements, `stride` apart, as fp32; zeros in the tile's other rows, and up to a column that is
// a multiple of 32.
template <int threads, typename T, int rows, int width>
__device__ void load_tile(const T* from, std::int64_t stride, int count, int used, bool vectors,
                          Tile<rows, width>& tile) {
  if (vectors) {
    constexpr int n = vector_width<T>;
    const int per_row = round_up(used, 32) / n;
    for (int i = static_cast<int>(threadIdx.x); i < rows * per_row; i += threads) {
      const int row = i / per_row, column = i % per_row * n;
      float x[n] = {};
      if (row < count && column < used) load<n>(from + row * stride + column, x);
#pragma unroll
      for (int j = 0; j < n; j += 4)
        *reinterpret_cast<float4*>(&tile[row][column + j]) = {x[j], x[j + 1], x[j + 2], x[j + 3]};
    }
  } else {
    const int per_row = round_up(used, 32);
    for (int i = static_cast<int>(threadIdx.x); i < rows * per_row; i += threads) {
      const int row = i / per_row, column = i % per_row;
      tile[row][column] = row < count && column < used ? to_float(from[row * stride + column]) : 0.0F;
    }
  }
}

__device__ inline void add_dot(const float4& x, const float4& y, float& sum) {
  sum += x.x * y.x;
  sum += x.y * y.y;
  sum += x.z * y.z;
  sum += x.w * y.w;
}

// sums[i][j] = Σ_d a[ty + row_threads i][d] b[tx + 8 j][d] over the `used` columns.
template <int row_threads, int rows, int columns, int width>
__device__ void multiply_rows(const Tile<rows, width>& a, const Tile<columns, width>& b, int ty, int tx, int used,
                              float (&sums)[rows / row_threads][columns / row_lanes]) {
  constexpr int own_rows = rows / row_threads, own_columns = columns / row_lanes;
#pragma unroll
  for (int i = 0; i < own_rows; ++i)
#pragma unroll
    for (int j = 0; j < own_columns; ++j) sums[i][j] = 0;
  for (int d = 0; d < used; d += 4) {
    float4 x[own_rows];
#pragma unroll
    for (int i = 0; i < own_rows; ++i) x[i] = *reinterpret_cast<const float4*>(&a[ty + row_threads * i][d]);
#pragma unroll
    for (int j = 0; j < own_columns; ++j) {
      const float4 y = *reinterpret_cast<const float4*>(&b[tx + row_lanes * j][d]);
#pragma unroll
      for (int i = 0; i < own_rows; ++i) add_dot(x[i], y, sums[i][j]);
    }
  }
}

// sums[i][g][c] += Σ_k weights[ty + row_threads i][k] values[k][32 g + 4 tx + c] for the columns that are used.
template <int row_threads, int rows, int depth, int width>
__device__ void multiply_add(const Tile<rows, depth>& weights, const Tile<depth, width>& values, int ty, int tx,
                             int used, float (&sums)[rows / row_threads][width / 32][4]) {
  constexpr int own_rows = rows / row_threads;
#pragma unroll 2
  for (int k = 0; k < depth; k += 4) {
    float w[own_rows][4];
#pragma unroll
    for (int i = 0; i < own_rows; ++i) {
      const float4 four = *reinterpret_cast<const float4*>(&weights[ty + row_threads * i][k]);
      w[i][0] = four.x, w[i][1] = four.y, w[i][2] = four.z, w[i][3] = four.w;
    }
#pragma unroll
    for (int g = 0; g < width / 32; ++g) {
      if (32 * g >= used) continue;
#pragma unroll
      for (int step = 0; step < 4; ++step) {
        const float4 v = *reinterpret_cast<const float4*>(&values[k + step][32 * g + 4 * tx]);
#pragma unroll
        for (int i = 0; i < own_rows; ++i) {
          sums[i][g][0] += w[i][step] * v.x;
          sums[i][g][1] += w[i][step] * v.y;
          sums[i][g][2] += w[i][step] * v.z;
          sums[i][g][3] += w[i][step] * v.w;
        }
      }
    }
  }
}

template <int groups>
__device__ void clear_row(float (&row)[groups][4]) {
#pragma unroll
  for (int g = 0; g < groups; ++g)
#pragma unroll
    for (int c = 0; c < 4; ++c) row[g][c] = 0;
}
template <int groups>
__device__ void scale_row(float factor, float (&row)[groups][4]) {
#pragma unroll
  for (int g = 0; g < groups; ++g)
#pragma unroll
    for (int c = 0; c < 4; ++c) row[g][c] *= factor;
}

// A thread's part of a row in memory of `used` elements, held as multiply_add() holds sums.
template <typename T, int groups>
__device__ void read_row(const T* row, int tx, int used, bool vectors, float (&values)[groups][4]) {
#pragma unroll
  for (int g = 0; g < groups; ++g) {
    const int column = 32 * g + 4 * tx;
    if (vectors && column < used) load<4>(row + column, values[g]);
    if (vectors) continue;
#pragma unroll
    for (int c = 0; c < 4; ++c)
      if (column + c < used) values[g][c] = to_float(row[column + c]);
  }
}
template <typename T, int groups>
__device__ void write_row(T* row, int tx, int used, bool vectors, const float (&values)[groups][4]) {
#pragma unroll
  for (int g = 0; g < groups; ++g) {
    const int column = 32 * g + 4 * tx;
    if (vectors && column < used) store<4>(row + column, values[g]);
    if (vectors) continue;
#pragma unroll
    for (int c = 0; c < 4; ++c)
      if (column + c < used) row[column + c] = from_float<T>(values[g][c]);
  }
}

}  // namespace ctrain::cuda
