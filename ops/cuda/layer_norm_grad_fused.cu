// Layer norm backwards at once, where a row is whole:
//   layer_norm_grad_fused   dy, x, sum, squares, weight [, residual's gradient] -> dx, dweight, dbias
// which reads each of its operands once and adds the residual's gradient to dx. dx may take dy's or the residual
// gradient's memory: nobody reads a row of theirs where it has been written.
#include <optional>

#include "ops/cuda/layer_norm_grad.h"

namespace ctrain::cuda {
namespace {

// Of the largest GPU that this is tuned for, a Hopper. No matter which is at hand: the order of sums goes by it.
constexpr int multiprocessors = 132;
constexpr int wide_row_threads = 256;

// Columns that a thread can add up in registers beside its part of the rows.
template <typename T>
constexpr int most_held_columns = sizeof(T) == 2 ? 32 : 24;

// Threads that a multiprocessor has registers for, where each adds up dweight and dbias of this many columns and holds
// its part of a row and of the next one's dy and x.
template <typename T>
constexpr int resident_threads(int held_columns) {
  constexpr int registers = 65536, others = 36, words = 2 + (5 * static_cast<int>(sizeof(T)) + 3) / 4;
  return registers / (others + words * held_columns) / 128 * 128;
}

template <typename T, typename Shape, int held>
constexpr int resident_blocks = std::max(1, resident_threads<T>(Shape::width* held) / Shape::threads);

// dx of all rows, and the block's part of Σ dy x̂ and Σ dy.
template <typename Shape, int held, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads, (resident_blocks<T, Shape, held>))
    gradient_rows(NormalRows rows, const T* dy, const T* x, Numbers sums, Numbers squares, const W* __restrict__ weight,
                  const T* residual, T* dx, float* parts) {
  constexpr int n = Shape::width;
  rows.whole = true;  // told to the compiler: no code for padding
  float dweight[held][n] = {}, dbias[held][n] = {};
  const std::int64_t stride = std::int64_t{gridDim.x} * Shape::rows_at_once;
  GradientRow<Shape, held, T> next;
  for (std::int64_t at = Shape::row() - stride; at < rows.count; at += stride) {
    const GradientRow<Shape, held, T> row = next;
    if (at + stride < rows.count) next = {rows, at + stride, dy, x, sums, squares};
    if (at < 0) continue;  // what came before the first row
    RowPart<T, Shape, held> others;
    if (residual != nullptr) others = {residual + at * rows.width, rows.width};
    float totals[2] = {};
    row.add_sums(rows, weight, totals, [&](int i, const float(&dy_values)[n], const float(&normal)[n]) {
#pragma unroll
      for (int k = 0; k < n; ++k) {
        dweight[i][k] += dy_values[k] * normal[k];
        dbias[i][k] += dy_values[k];
      }
    });
    row.input(rows, weight, totals, dx + at * rows.width, [&](float(&dx_values)[n], int i, int column) {
      if (residual != nullptr) others.add_to(dx_values, i, column);
    });
  }
  float* part = parts + std::int64_t{blockIdx.x} * 2 * rows.width;
  add_groups<Shape>(dweight, rows.width, [&](int column, float total) { part[column] = total; });
  add_groups<Shape>(dbias, rows.width, [&](int column, float total) { part[rows.width + column] = total; });
}

// dx alone, of rows that registers do not hold.
template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    sum_and_input_rows(NormalRows rows, const T* dy, const T* x, Numbers sums, Numbers squares,
                       const W* __restrict__ weight, const T* residual, T* dx) {
  const std::int64_t at = Shape::row();
  if (at >= rows.count) return;
  const GradientRow<Shape, 0, T> row(rows, at, dy, x, sums, squares);
  RowPart<T, Shape, 0> others;
  if (residual != nullptr) others = {residual + at * rows.width, rows.width};
  float totals[2] = {};
  row.add_sums(rows, weight, totals, [](int, const auto&, const auto&) {});
  row.input(rows, weight, totals, dx + at * rows.width, [&](auto& dx_values, int i, int column) {
    if (residual != nullptr) others.add_to(dx_values, i, column);
  });
}

// A kernel whose blocks, which a Hopper runs all at once, take rows until none is left.
template <typename T, typename W>
struct ResidentKernel {
  template <typename Shape, int held>
  static ResidentKernel of(const Rows& rows) {
    return {gradient_rows<Shape, held, T, W>,
            std::clamp(Shape::blocks(rows), 1, multiprocessors * resident_blocks<T, Shape, held>), Shape::threads};
  }

  void (*kernel)(NormalRows, const T*, const T*, Numbers, Numbers, const W*, const T*, T*, float*);
  int blocks, threads;
};

// Nothing where registers do not hold the rows.
template <typename T, typename W>
std::optional<ResidentKernel<T, W>> resident_kernel(const Rows& rows) {
  constexpr int n = vector_width<T>, most = most_held_columns<T>;
  const int narrow = blocks_for(rows.width / n, warp), wide = blocks_for(rows.width / n, wide_row_threads);
  if (rows.width % n != 0 || wide * n > most) return std::nullopt;
  if (narrow * n <= most)
    return with_at_least<8 / n, 16 / n, 24 / n, most / n>(narrow, [&](auto held) {
      return ResidentKernel<T, W>::template of<RowShape<n, warp, resident_threads<T>(held() * n)>, held()>(rows);
    });
  return with_at_least<8 / n, 16 / n, most / n>(wide, [&](auto held) {
    return ResidentKernel<T, W>::template of<RowShape<n, wide_row_threads, wide_row_threads>, held()>(rows);
  });
}

// In one pass over dy, x and the residual's gradient.
template <typename T, typename W>
Kernel grad_resident(const NormalRows& rows, const ResidentKernel<T, W>& kernel, const OperandTypes& types,
                     bool with_residual) {
  const auto run = [=](const Invocation& call) {
    launch("layer_norm_grad_fused", kernel.kernel, kernel.blocks, kernel.threads, 0, stream_of(call), rows,
           call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3), call.in<W>(4),
           with_residual ? call.in<T>(5) : nullptr, call.out<T>(0), static_cast<float*>(call.workspace));
    enqueue_add_parts(call, kernel.blocks, 2 * rows.width, rows.width, types.out(call, 1), types.out(call, 2));
  };
  return {run, static_cast<std::size_t>(kernel.blocks) * 2 * static_cast<std::size_t>(rows.width) * sizeof(float)};
}

// dx last: it may take dy's memory.
template <typename T, typename W>
Kernel grad_composed(const NormalRows& rows, const OperandTypes& types, bool with_residual) {
  const ColumnSums<T> sums(rows, 2);
  const auto kernel = with_row_shape<T>(
      rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, sum_and_input_rows<Shape, T, W>); });
  const auto run = [=](const Invocation& call) {
    sums.enqueue(call, types.in(call, 2), types.in(call, 3), types.out(call, 1), types.out(call, 2));
    kernel("layer_norm_grad_fused", call, rows, call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3),
           call.in<W>(4), with_residual ? call.in<T>(5) : nullptr, call.out<T>());
  };
  return {run, sums.workspace()};
}

template <typename T, typename W>
Kernel grad_fused_of(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {0});
  const bool with_residual = node.inputs.size() == 6;
  if (with_residual) require_type(node, dtype_of<T>(), {5}, {});
  const NormalRows rows = normal_rows(node);
  require(rows.whole, "{}: a fused layer norm of rows with padding", node.name);
  const OperandTypes types(node);
  const auto kernel = resident_kernel<T, W>(rows);
  return kernel ? grad_resident(rows, *kernel, types, with_residual) : grad_composed<T, W>(rows, types, with_residual);
}
template <typename T>
Kernel grad_fused(const LocalNode& node) {
  return with_type<T, float>(node, 4, [&]<typename W>() { return grad_fused_of<T, W>(node); });
}

const CudaKernel fused("layer_norm_grad_fused", grad_fused<float>, grad_fused<__nv_bfloat16>, grad_fused<__half>);

}  // namespace
}  // namespace ctrain::cuda
