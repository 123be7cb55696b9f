// Blocks as rows of their last dimension, with as many threads on each row as its width asks for.
#pragma once

#include <limits>

#include "ops/cuda/reductions.h"
#include "ops/cuda/types.h"
#include "ops/cuda/vectors.h"

namespace ctrain::cuda {

// Columns whose logical index is not below the extent are padding: kernels select around them and write zero there.
struct Rows {
  [[nodiscard]] __device__ bool valid(int column) const { return whole || indices.valid(column); }
  template <int n>
  __device__ void clear_padding(float (&x)[n], int column, float with = 0) const {
    if (whole) return;
#pragma unroll
    for (int k = 0; k < n; ++k) x[k] = indices.valid(column + k) ? x[k] : with;
  }
  // Where a logical index stands in this block's rows; -1 where they do not hold it.
  [[nodiscard]] __device__ int column(std::int64_t logical) const {
    if (logical >= indices.start[0] && logical < indices.start[0] + indices.first_length)
      return static_cast<int>(logical - indices.start[0]);
    const std::int64_t second = indices.first_length + logical - indices.start[1];
    return second >= indices.first_length && second < width ? static_cast<int>(second) : -1;
  }

  std::int64_t count = 1;
  int width = 1;
  Indices indices{{0, 0}, 1, 1};
  bool whole = true;  // no padding
};

inline Rows rows_of(const LocalNode& node, const Operand& block) {
  if (block.dims.empty()) return {};
  require(block.shape.back() <= std::numeric_limits<int>::max(), "{}: rows of {} elements", node.name,
          block.shape.back());
  Rows rows{.count = 0, .width = static_cast<int>(block.shape.back()), .indices = indices_of(node, block.dims.back())};
  if (rows.width > 0) rows.count = block.elements() / rows.width;
  for (const Segments::Run& run : node.indices(block.dims.back()).runs)
    if (run.length > 0 && run.start + run.length > rows.indices.extent) rows.whole = false;
  return rows;
}

// How the threads of a block share rows: `group` threads on each, a warp or all; a thread takes `width` neighbouring
// elements at a time.
template <int width_, int group_, int threads_>
struct RowShape {
  static constexpr int width = width_, group = group_, threads = threads_;
  static constexpr int rows_at_once = threads / group;

  __device__ static std::int64_t row() { return std::int64_t{blockIdx.x} * rows_at_once + threadIdx.x / group; }
  __device__ static int thread() { return static_cast<int>(threadIdx.x) % group; }
  static int blocks(const Rows& rows) { return blocks_for(rows.count, rows_at_once); }
};

constexpr int narrow_threads = 128, wide_threads = 256;
constexpr int narrow_accesses = 8;  // a warp is enough for a row of this many of its accesses

// choose(RowShape) for these rows, whose width is a multiple of the shape's.
template <typename T, typename Choose>
auto with_row_shape(const Rows& rows, const Choose& choose) {
  constexpr int n = vector_width<T>;
  const bool wide = rows.width > warp * n * narrow_accesses;
  if (rows.width % n == 0)
    return wide ? choose(RowShape<n, wide_threads, wide_threads>()) : choose(RowShape<n, warp, narrow_threads>());
  return wide ? choose(RowShape<1, wide_threads, wide_threads>()) : choose(RowShape<1, warp, narrow_threads>());
}

// A kernel that goes over rows, with its blocks and threads; nothing is launched where there are no rows.
template <typename... Parameters>
struct RowKernel {
  template <typename... Arguments>
  void operator()(const char* name, const Invocation& call, Arguments... arguments) const {
    if (blocks > 0) launch(name, kernel, blocks, threads, 0, stream_of(call), arguments...);
  }
  void (*kernel)(Parameters...);
  int blocks, threads;
};

template <typename Shape, typename... Parameters>
RowKernel<Parameters...> row_kernel(const Rows& rows, void (*kernel)(Parameters...)) {
  return {kernel, Shape::blocks(rows), Shape::threads};
}

}  // namespace ctrain::cuda
