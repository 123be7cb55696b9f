// What the gradients of a layer norm share (ops/definitions/layer_norm.cpp): dx of a row, and what is summed over all
// rows. The latter is added in two stages, in an order that depends on nothing but the shape: each block writes its
// part to the workspace, then the parts are added.
#pragma once

#include <algorithm>

#include "ops/cuda/layer_norm.h"

namespace ctrain::cuda {

// One row of dy and x. Sums: Σ dy γ and Σ dy γ x̂.
template <typename Shape, int held, typename T>
class GradientRow {
 public:
  GradientRow() = default;
  // Only asks for the numbers, waits for none.
  __device__ GradientRow(const NormalRows& rows, std::int64_t row, const T* dy, const T* x, Numbers sums,
                         Numbers squares)
      : dy_(dy + row * rows.width, rows.width),
        x_(x + row * rows.width, rows.width),
        sum_(sums[row]),
        squares_(squares[row]) {}

  // Calls visit(i, dy, x̂) for each access.
  template <typename W, typename Visit>
  __device__ void add_sums(const NormalRows& rows, const W* weight, float (&sums)[2], const Visit& visit) const {
    const RowMoments moments = rows.moments(sum_, squares_);
    each_access<Shape, held>(rows.width, [&](int i, int column) {
      float dy[n], normal[n], scaled[n];
      load(i, column, moments, weight, dy, normal, scaled);
      rows.clear_padding(scaled, column);
#pragma unroll
      for (int k = 0; k < n; ++k) {
        sums[0] += scaled[k];
        sums[1] += scaled[k] * normal[k];
      }
      visit(i, dy, normal);
    });
    reduce<Sum, Shape::group>(sums);
  }
  // Calls add(dx, i, column) for each access before it is written.
  template <typename W, typename Add>
  __device__ void input(const NormalRows& rows, const W* weight, const float (&sums)[2], T* dx, const Add& add) const {
    const RowMoments moments = rows.moments(sum_, squares_);
    const float mean = rows.mean(sums[0]), mean_normal = rows.mean(sums[1]);
    each_access<Shape, held>(rows.width, [&](int i, int column) {
      float dy[n], normal[n], scaled[n];
      load(i, column, moments, weight, dy, normal, scaled);
#pragma unroll
      for (int k = 0; k < n; ++k) scaled[k] = moments.rstd * (scaled[k] - mean - normal[k] * mean_normal);
      add(scaled, i, column);
      rows.clear_padding(scaled, column);
      store(dx + column, scaled);
    });
  }

 private:
  static constexpr int n = Shape::width;
  template <typename W>
  __device__ void load(int i, int column, RowMoments moments, const W* weight, float (&dy)[n], float (&normal)[n],
                       float (&scaled)[n]) const {
    dy_.load(i, column, dy);
    x_.load(i, column, normal);
    cuda::load(weight + column, scaled);
#pragma unroll
    for (int k = 0; k < n; ++k) {
      normal[k] = moments.normal(normal[k]);
      scaled[k] *= dy[k];
    }
  }

  RowPart<T, Shape, held> dy_, x_;
  float sum_, squares_;
};

// Numbers of every group of threads.
template <typename Shape>
__device__ auto shared_by_groups() {
  __shared__ Vector<float, Shape::width> numbers[Shape::rows_at_once][Shape::group];
  return numbers;
}

// put(column, total) for each of `width` columns, of which every group of threads holds totals of its own rows.
template <typename Shape, int held, typename Put>
__device__ void add_groups(const float (&totals)[held][Shape::width], int width, const Put& put) {
  constexpr int n = Shape::width, columns = Shape::group * n;
  if constexpr (Shape::rows_at_once == 1) {
    each_access<Shape, held>(width, [&](int i, int column) {
#pragma unroll
      for (int k = 0; k < n; ++k) put(column + k, totals[i][k]);
    });
  } else {
    const auto of_group = shared_by_groups<Shape>();
    const int own_group = static_cast<int>(threadIdx.x) / Shape::group;
#pragma unroll
    for (int i = 0; i < held; ++i) {
      __syncthreads();
      of_group[own_group][Shape::thread()] = packed<float>(totals[i]);
      __syncthreads();
      for (int j = static_cast<int>(threadIdx.x); j < columns && i * columns + j < width; j += Shape::threads) {
        float total = 0;
        for (int group = 0; group < Shape::rows_at_once; ++group) total += of_group[group][j / n].words[j % n];
        put(i * columns + j, total);
      }
    }
  }
}

// Parts of Σ dy x̂, and behind it of Σ dy where `with_bias`: blockIdx.x is a run of columns, blockIdx.y a share of rows.
template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    weight_parts(NormalRows rows, const T* __restrict__ dy, const T* __restrict__ x, Numbers sums, Numbers squares,
                 bool with_bias, float* __restrict__ parts) {
  constexpr int n = Shape::width;
  const int first = static_cast<int>(blockIdx.x) * Shape::group * n, column = first + Shape::thread() * n;
  float dweight[1][n] = {}, dbias[1][n] = {};
  if (column < rows.width) {
    const std::int64_t stride = std::int64_t{gridDim.y} * Shape::rows_at_once;
    for (std::int64_t row = std::int64_t{blockIdx.y} * Shape::rows_at_once + threadIdx.x / Shape::group;
         row < rows.count; row += stride) {
      float dy_values[n], x_values[n];
      load(dy + row * rows.width + column, dy_values);
      load(x + row * rows.width + column, x_values);
      const RowMoments moments = rows.moments(sums[row], squares[row]);
#pragma unroll
      for (int k = 0; k < n; ++k) {
        dweight[0][k] += dy_values[k] * moments.normal(x_values[k]);
        dbias[0][k] += dy_values[k];
      }
    }
    rows.clear_padding(dweight[0], column);
    rows.clear_padding(dbias[0], column);
  }
  float* part = parts + std::int64_t{blockIdx.y} * (with_bias ? 2 : 1) * rows.width + first;
  add_groups<Shape>(dweight, rows.width - first, [&](int at, float total) { part[at] = total; });
  if (!with_bias) return;
  add_groups<Shape>(dbias, rows.width - first, [&](int at, float total) { part[rows.width + at] = total; });
}

// Adds up parts of `columns` numbers each: the first `width` of them are those of dweight, the others of dbias.
template <typename Shape>
__global__ void __launch_bounds__(Shape::threads)
    add_parts(const float* __restrict__ parts, int count, int columns, int width, Numbers dweight, Numbers dbias) {
  const int first = static_cast<int>(blockIdx.x) * Shape::group, column = first + Shape::thread();
  float totals[1][1] = {};
  if (column < columns)
    for (std::int64_t part = threadIdx.x / Shape::group; part < count; part += Shape::rows_at_once)
      totals[0][0] += parts[part * columns + column];
  add_groups<Shape>(totals, columns - first, [&](int at, float total) {
    if (first + at < width)
      dweight.set(first + at, total);
    else
      dbias.set(first + at - width, total);
  });
}

inline void enqueue_add_parts(const Invocation& call, int count, int columns, int width, Numbers dweight,
                              Numbers dbias) {
  using Shape = RowShape<1, warp, 512>;
  if (columns > 0)
    launch("layer_norm_grad add_parts", add_parts<Shape>, blocks_for(columns, Shape::group), Shape::threads, 0,
           stream_of(call), static_cast<const float*>(call.workspace), count, columns, width, dweight, dbias);
}

// Σ dy x̂ and, where there are two outputs, Σ dy, of rows of any width.
template <typename T>
class ColumnSums {
  static constexpr int threads = 256;

 public:
  ColumnSums(const NormalRows& rows, int outputs) : rows_(rows), outputs_(outputs) {
    constexpr int rows_a_part = 64, most_parts = 256;
    parts_ = static_cast<int>(std::clamp<std::int64_t>(rows.count / rows_a_part, 1, most_parts));
    if (rows.width % vector_width<T> == 0)
      set<RowShape<vector_width<T>, warp, threads>>();
    else
      set<RowShape<1, warp, threads>>();
  }
  [[nodiscard]] std::size_t workspace() const {
    return static_cast<std::size_t>(parts_) * static_cast<std::size_t>(columns()) * sizeof(float);
  }
  void enqueue(const Invocation& call, Numbers sums, Numbers squares, Numbers dweight, Numbers dbias) const {
    if (rows_.width == 0) return;
    const dim3 blocks(static_cast<unsigned>(column_blocks_), static_cast<unsigned>(parts_));
    launch("layer_norm_grad weight_parts", kernel_, blocks, threads, 0, stream_of(call), rows_, call.in<T>(0),
           call.in<T>(1), sums, squares, outputs_ == 2, static_cast<float*>(call.workspace));
    enqueue_add_parts(call, parts_, columns(), rows_.width, dweight, dbias);
  }

 private:
  [[nodiscard]] int columns() const { return outputs_ * rows_.width; }
  template <typename Shape>
  void set() {
    kernel_ = weight_parts<Shape, T>;
    column_blocks_ = blocks_for(rows_.width, Shape::group * Shape::width);
  }

  NormalRows rows_;
  int outputs_, parts_, column_blocks_ = 0;
  void (*kernel_)(NormalRows, const T*, const T*, Numbers, Numbers, bool, float*) = nullptr;
};

}  // namespace ctrain::cuda
