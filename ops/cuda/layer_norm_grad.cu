// Layer norm backwards where a row may be split (ops/definitions/layer_norm.cpp). dx may take dy's memory.
#include "ops/cuda/layer_norm_grad.h"

namespace ctrain::cuda {
namespace {

template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    sum_rows(NormalRows rows, const T* __restrict__ dy, const T* __restrict__ x, Numbers sums, Numbers squares,
             const W* __restrict__ weight, Numbers scaled, Numbers scaled_normal) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  float totals[2] = {};
  GradientRow<Shape, 0, T>(rows, row, dy, x, sums, squares)
      .add_sums(rows, weight, totals, [](int, const auto&, const auto&) {});
  if (Shape::thread() != 0) return;
  scaled.set(row, totals[0]);
  scaled_normal.set(row, totals[1]);
}

template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    input_rows(NormalRows rows, const T* dy, const T* __restrict__ x, Numbers sums, Numbers squares,
               const W* __restrict__ weight, Numbers scaled, Numbers scaled_normal, T* dx) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  GradientRow<Shape, 0, T>(rows, row, dy, x, sums, squares)
      .input(rows, weight, {scaled[row], scaled_normal[row]}, dx + row * rows.width, [](const auto&, int, int) {});
}

// dy, x, sum, squares, weight -> Σ dy γ, Σ dy γ x̂
template <typename T, typename W>
Kernel grad_sums_of(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {});
  const NormalRows rows = normal_rows(node);
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, sum_rows<Shape, T, W>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_grad_sums", call, rows, call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3),
           call.in<W>(4), types.out(call, 0), types.out(call, 1));
  }};
}
template <typename T>
Kernel grad_sums(const LocalNode& node) {
  return with_type<T, float>(node, 4, [&]<typename W>() { return grad_sums_of<T, W>(node); });
}

// dy, x, sum, squares, weight, sums 0, sums 1 -> dx
template <typename T, typename W>
Kernel grad_input_of(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {0});
  const NormalRows rows = normal_rows(node);
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, input_rows<Shape, T, W>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_grad_input", call, rows, call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3),
           call.in<W>(4), types.in(call, 5), types.in(call, 6), call.out<T>());
  }};
}
template <typename T>
Kernel grad_input(const LocalNode& node) {
  return with_type<T, float>(node, 4, [&]<typename W>() { return grad_input_of<T, W>(node); });
}

// dy, x, sum, squares -> dγ
template <typename T>
Kernel grad_weight(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {});
  const ColumnSums<T> sums(normal_rows(node), 1);
  const auto run = [=, types = OperandTypes(node)](const Invocation& call) {
    sums.enqueue(call, types.in(call, 2), types.in(call, 3), types.out(call), types.out(call));
  };
  return {run, sums.workspace()};
}

using bf16 = __nv_bfloat16;
const CudaKernel sums("layer_norm_grad_sums", grad_sums<float>, grad_sums<bf16>, grad_sums<__half>);
const CudaKernel input("layer_norm_grad_input", grad_input<float>, grad_input<bf16>, grad_input<__half>);
const CudaKernel weight("layer_norm_grad_weight", grad_weight<float>, grad_weight<bf16>, grad_weight<__half>);

}  // namespace
}  // namespace ctrain::cuda
