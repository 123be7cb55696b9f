// Layer norm forwards: the ops of a row that may be split (ops/definitions/layer_norm.cpp), and the whole of it at
// once,
//   layer_norm_fused   x, weight, bias [, residual] -> y, sum, squares [, x + residual]
// which reads x (and the residual) once: rows stand in registers from the sum to the output. The sum may take the
// memory of either.
#include "ops/cuda/layer_norm.h"

namespace ctrain::cuda {
namespace {

template <typename Shape, int held, typename T>
__device__ float sum_of(const Rows& rows, const RowPart<T, Shape, held>& x) {
  float total = 0;
  each_access<Shape, held>(rows.width, [&](int i, int column) {
    float values[Shape::width];
    x.load(i, column, values);
    rows.clear_padding(values, column);
#pragma unroll
    for (const float value : values) total += value;
  });
  return reduce<Sum, Shape::group>(total);
}

// The mean first: fp32 loses Σx² - mean².
template <typename Shape, int held, typename T>
__device__ float squares_of(const Rows& rows, const RowPart<T, Shape, held>& x, float mean) {
  float total = 0;
  each_access<Shape, held>(rows.width, [&](int i, int column) {
    float values[Shape::width];
    x.load(i, column, values);
#pragma unroll
    for (float& value : values) value -= mean;
    rows.clear_padding(values, column);
#pragma unroll
    for (const float value : values) total += value * value;
  });
  return reduce<Sum, Shape::group>(total);
}

template <typename Shape, int held, typename T, typename W>
__device__ void apply(const Rows& rows, const RowPart<T, Shape, held>& x, RowMoments moments, const W* weight,
                      const W* bias, T* y) {
  constexpr int n = Shape::width;
  each_access<Shape, held>(rows.width, [&](int i, int column) {
    float values[n], factors[n], terms[n];
    x.load(i, column, values);
    load(weight + column, factors);
    load(bias + column, terms);
#pragma unroll
    for (int k = 0; k < n; ++k) values[k] = moments.normal(values[k]) * factors[k] + terms[k];
    rows.clear_padding(values, column);
    store(y + column, values);
  });
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads) sum_rows(Rows rows, const T* __restrict__ x, Numbers sums) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const float total = sum_of(rows, RowPart<T, Shape, 0>(x + row * rows.width, rows.width));
  if (Shape::thread() == 0) sums.set(row, total);
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    square_rows(NormalRows rows, const T* __restrict__ x, Numbers sums, Numbers squares) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const float total = squares_of(rows, RowPart<T, Shape, 0>(x + row * rows.width, rows.width), rows.mean(sums[row]));
  if (Shape::thread() == 0) squares.set(row, total);
}

template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    apply_rows(NormalRows rows, const T* __restrict__ x, Numbers sums, Numbers squares, const W* __restrict__ weight,
               const W* __restrict__ bias, T* __restrict__ y) {
  const std::int64_t row = Shape::row(), at = row * rows.width;
  if (row >= rows.count) return;
  apply(rows, RowPart<T, Shape, 0>(x + at, rows.width), rows.moments(sums[row], squares[row]), weight, bias, y + at);
}

template <typename Shape, int held, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    norm_rows(NormalRows rows, const T* x, const T* residual, const W* __restrict__ weight, const W* __restrict__ bias,
              T* y, Numbers sums, Numbers squares, T* total) {
  using Part = RowPart<T, Shape, held>;
  rows.whole = true;  // told to the compiler: no code for padding
  const std::int64_t row = Shape::row(), at = row * rows.width;
  if (row >= rows.count) return;
  const Part part =
      residual != nullptr ? Part(x + at, residual + at, total + at, rows.width) : Part(x + at, rows.width);
  const float sum = sum_of(rows, part), square = squares_of(rows, part, rows.mean(sum));
  apply(rows, part, rows.moments(sum, square), weight, bias, y + at);
  if (Shape::thread() != 0) return;
  sums.set(row, sum);
  squares.set(row, square);
}

// x -> sum
template <typename T>
Kernel layer_norm_sum(const LocalNode& node) {
  const Rows rows = rows_of(node, node.inputs[0]);
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, sum_rows<Shape, T>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_sum", call, rows, call.in<T>(0), types.out(call));
  }};
}

// x, sum -> squares
template <typename T>
Kernel layer_norm_squares(const LocalNode& node) {
  const NormalRows rows(rows_of(node, node.inputs[0]));
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, square_rows<Shape, T>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_squares", call, rows, call.in<T>(0), types.in(call, 1), types.out(call));
  }};
}

// x, sum, squares, weight, bias -> y
template <typename T, typename W>
Kernel layer_norm_of(const LocalNode& node) {
  require_type(node, dtype_of<W>(), {4}, {});
  require_type(node, dtype_of<T>(), {}, {0});
  const NormalRows rows = normal_rows(node);
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, apply_rows<Shape, T, W>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm", call, rows, call.in<T>(0), types.in(call, 1), types.in(call, 2), call.in<W>(3), call.in<W>(4),
           call.out<T>());
  }};
}
template <typename T>
Kernel layer_norm(const LocalNode& node) {
  return with_type<T, float>(node, 3, [&]<typename W>() { return layer_norm_of<T, W>(node); });
}

template <typename T, typename W>
auto norm_kernel(const Rows& rows) {
  constexpr int n = vector_width<T>, most_wide = 4;
  using Narrow = RowShape<n, warp, narrow_threads>;
  using Wide = RowShape<n, wide_threads, wide_threads>;
  const int accesses = rows.width / n;
  if (rows.width % n != 0 || accesses > most_wide * wide_threads)
    return with_row_shape<T>(rows,
                             [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, norm_rows<Shape, 0, T, W>); });
  if (accesses > narrow_accesses * warp)
    return with_at_least<2, most_wide>(blocks_for(accesses, wide_threads), [&](auto held) {
      return row_kernel<Wide>(rows, norm_rows<Wide, held(), T, W>);
    });
  return with_at_least<2, 3, 4, 6, narrow_accesses>(
      blocks_for(accesses, warp), [&](auto held) { return row_kernel<Narrow>(rows, norm_rows<Narrow, held(), T, W>); });
}

template <typename T, typename W>
Kernel layer_norm_fused_of(const LocalNode& node) {
  require_type(node, dtype_of<W>(), {2}, {});
  require_type(node, dtype_of<T>(), {}, {0});
  const NormalRows rows = normal_rows(node);
  require(rows.whole, "{}: a fused layer norm of rows with padding", node.name);
  const bool adds = node.inputs.size() == 4;
  if (adds) require_type(node, dtype_of<T>(), {3}, {3});
  const auto kernel = norm_kernel<T, W>(rows);
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_fused", call, rows, call.in<T>(0), adds ? call.in<T>(3) : nullptr, call.in<W>(1), call.in<W>(2),
           call.out<T>(0), types.out(call, 1), types.out(call, 2), adds ? call.out<T>(3) : nullptr);
  }};
}
template <typename T>
Kernel layer_norm_fused(const LocalNode& node) {
  return with_type<T, float>(node, 1, [&]<typename W>() { return layer_norm_fused_of<T, W>(node); });
}

using bf16 = __nv_bfloat16;
const CudaKernel sum("layer_norm_sum", layer_norm_sum<float>, layer_norm_sum<bf16>, layer_norm_sum<__half>);
const CudaKernel squares("layer_norm_squares", layer_norm_squares<float>, layer_norm_squares<bf16>,
                         layer_norm_squares<__half>);
const CudaKernel norm("layer_norm", layer_norm<float>, layer_norm<bf16>, layer_norm<__half>);
const CudaKernel fused("layer_norm_fused", layer_norm_fused<float>, layer_norm_fused<bf16>, layer_norm_fused<__half>);

}  // namespace
}  // namespace ctrain::cuda
