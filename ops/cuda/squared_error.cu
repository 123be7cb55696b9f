// squared_error and its gradient (ops/definitions/losses.cpp). Padded columns and rows without a label are selected
// around.
#include "ops/cuda/class_rows.h"

namespace ctrain::cuda {
namespace {

template <typename Shape, typename T, typename Y>
__global__ void __launch_bounds__(Shape::threads)
    squared_error_rows(Rows rows, const T* __restrict__ x, const Y* __restrict__ y,
                       const std::int32_t* __restrict__ labels, Numbers out) {
  const std::int64_t row = Shape::row(), at = row * rows.width;
  if (row >= rows.count) return;
  float total = 0;
  for (int column = Shape::thread(); labels[row] >= 0 && column < rows.width; column += Shape::group) {
    const float difference = to_float(x[at + column]) - to_float(y[at + column]);
    if (rows.valid(column)) total += difference * difference;
  }
  total = reduce<Sum, Shape::group>(total);
  if (Shape::thread() == 0) out.set(row, total / static_cast<float>(rows.indices.extent));
}

template <typename Shape, typename T, typename Y>
__global__ void __launch_bounds__(Shape::threads)
    squared_error_gradient_rows(Rows rows, const T* __restrict__ x, const Y* __restrict__ y,
                                const std::int32_t* __restrict__ labels, Numbers count, T* __restrict__ dx) {
  const std::int64_t row = Shape::row(), at = row * rows.width;
  if (row >= rows.count) return;
  const float factor = 2 / (static_cast<float>(rows.indices.extent) * count[0]);
  for (int column = Shape::thread(); column < rows.width; column += Shape::group) {
    const float difference = to_float(x[at + column]) - to_float(y[at + column]);
    dx[at + column] = from_float<T>(labels[row] >= 0 && rows.valid(column) ? factor * difference : 0.0F);
  }
}

// x, y, labels -> error of each row
template <typename T>
Kernel squared_error(const LocalNode& node) {
  return with_type<T, float>(node, 1, [&]<typename Y>() -> Kernel {
    const Rows rows = rows_of(node, node.inputs[0]);
    const auto kernel = with_group<T>(
        rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, squared_error_rows<Shape, T, Y>); });
    return {[=, types = OperandTypes(node)](const Invocation& call) {
      kernel("squared_error", call, rows, call.in<T>(0), call.in<Y>(1), call.in<std::int32_t>(2), types.out(call));
    }};
  });
}

// x, y, labels, count -> dx
template <typename T>
Kernel squared_error_grad(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {}, {0});
  return with_type<T, float>(node, 1, [&]<typename Y>() -> Kernel {
    const Rows rows = rows_of(node, node.inputs[0]);
    const auto kernel = with_group<T>(
        rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, squared_error_gradient_rows<Shape, T, Y>); });
    return {[=, types = OperandTypes(node)](const Invocation& call) {
      kernel("squared_error_grad", call, rows, call.in<T>(0), call.in<Y>(1), call.in<std::int32_t>(2),
             types.in(call, 3), call.out<T>());
    }};
  });
}

using bf16 = __nv_bfloat16;
const CudaKernel squared_kernel("squared_error", squared_error<float>, squared_error<bf16>, squared_error<__half>);
const CudaKernel squared_grad_kernel("squared_error_grad", squared_error_grad<float>, squared_error_grad<bf16>,
                                     squared_error_grad<__half>);

}  // namespace
}  // namespace ctrain::cuda
