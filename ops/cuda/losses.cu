// Softmax cross-entropy where the classes are split over ranks, and counts (ops/definitions/losses.cpp); where they are
// whole, cross_entropy.cu does it all in one pass. Padded columns and rows without a label are selected around, never
// multiplied by zero: a padded row's sum of exponents is zero, and 0/0 times 0 is NaN.
#include "ops/cuda/class_rows.h"

namespace ctrain::cuda {
namespace {

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads) max_rows(Rows rows, const T* __restrict__ x, Numbers out) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  float largest = -INFINITY;
  each_vector<Shape>(x + row * rows.width, rows.width, [&]<int n>(int column, float(&values)[n]) {
    rows.clear_padding(values, column, -INFINITY);
#pragma unroll
    for (const float value : values) largest = fmaxf(largest, value);
  });
  largest = reduce<Max, Shape::group>(largest);
  if (Shape::thread() == 0) out.set(row, largest);
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    sum_exp_rows(Rows rows, const T* __restrict__ x, Numbers maxima, Numbers out) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const float largest = maxima[row];
  float total = 0;
  each_vector<Shape>(x + row * rows.width, rows.width, [&]<int n>(int column, float(&values)[n]) {
#pragma unroll
    for (float& value : values) value = expf(value - largest);
    rows.clear_padding(values, column);
#pragma unroll
    for (const float value : values) total += value;
  });
  total = reduce<Sum, Shape::group>(total);
  if (Shape::thread() == 0) out.set(row, total);
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    place_rows(Rows rows, const T* __restrict__ x, Numbers maxima, Numbers out) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const float largest = maxima[row];
  float place = -INFINITY;
  each_vector<Shape>(x + row * rows.width, rows.width, [&]<int n>(int column, float(&values)[n]) {
#pragma unroll
    for (int k = 0; k < n; ++k)
      if (values[k] == largest && rows.valid(column + k))
        place = fmaxf(place, -static_cast<float>(rows.indices.logical(column + k)));
  });
  place = reduce<Max, Shape::group>(place);
  if (Shape::thread() == 0) out.set(row, place);
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads) target_rows(Rows rows, Target target, const T* __restrict__ x,
                                                              const std::int32_t* __restrict__ labels, Numbers out) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const std::int32_t label = labels[row];
  const T* own = x + row * rows.width;
  float total = 0;
  if (label >= 0 && target.of_each != 0)
    each_vector<Shape>(own, rows.width, [&]<int n>(int column, float(&values)[n]) {
      rows.clear_padding(values, column);
#pragma unroll
      for (const float value : values) total += value;
    });
  total = reduce<Sum, Shape::group>(total);
  if (Shape::thread() != 0) return;
  const int column = label < 0 ? -1 : rows.column(label);
  out.set(row, target.of_each * total + (column < 0 ? 0 : target.of_label * to_float(own[column])));
}

constexpr int element_threads = 256;

// Without label smoothing a row's target is one logit.
template <typename T>
__global__ void __launch_bounds__(element_threads)
    pick_rows(Rows rows, const T* __restrict__ x, const std::int32_t* __restrict__ labels, Numbers out) {
  const std::int64_t row = std::int64_t{blockIdx.x} * element_threads + threadIdx.x;
  if (row >= rows.count) return;
  const int column = labels[row] < 0 ? -1 : rows.column(labels[row]);
  out.set(row, column < 0 ? 0 : to_float(x[row * rows.width + column]));
}

template <typename T>
__global__ void __launch_bounds__(element_threads)
    nll_rows(std::int64_t count, const T* __restrict__ largest, const T* __restrict__ sum_exp,
             const T* __restrict__ target, const std::int32_t* __restrict__ labels, T* __restrict__ out) {
  const std::int64_t row = std::int64_t{blockIdx.x} * element_threads + threadIdx.x;
  if (row >= count) return;
  const float loss = logf(to_float(sum_exp[row])) + to_float(largest[row]) - to_float(target[row]);
  out[row] = from_float<T>(labels[row] >= 0 ? loss : 0.0F);
}

template <typename T>
__global__ void __launch_bounds__(element_threads)
    correct_rows(std::int64_t count, const T* __restrict__ place, const std::int32_t* __restrict__ labels,
                 T* __restrict__ out) {
  const std::int64_t row = std::int64_t{blockIdx.x} * element_threads + threadIdx.x;
  if (row >= count) return;
  const auto label = to_float(from_float<T>(static_cast<float>(labels[row])));
  out[row] = from_float<T>(labels[row] >= 0 && -to_float(place[row]) == label ? 1.0F : 0.0F);
}

constexpr int count_threads = 1024;

// One block: a step has no more labels than one multiprocessor reads in microseconds.
__global__ void __launch_bounds__(count_threads)
    count_labels(std::int64_t elements, const std::int32_t* __restrict__ labels, Numbers out) {
  float total = 0;  // exact: below 2²⁴
  for (std::int64_t i = threadIdx.x; i < elements; i += count_threads) total += labels[i] >= 0 ? 1.0F : 0.0F;
  total = reduce<Sum, count_threads>(total);
  if (threadIdx.x == 0) out.set(0, total);
}

// x -> m
template <typename T>
Kernel class_max(const LocalNode& node) {
  const Rows rows = rows_of(node, node.inputs[0]);
  const auto kernel =
      with_group<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, max_rows<Shape, T>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("class_max", call, rows, call.in<T>(0), types.out(call));
  }};
}

// x, m -> e
template <typename T>
Kernel class_sum_exp(const LocalNode& node) {
  const Rows rows = rows_of(node, node.inputs[0]);
  const auto kernel =
      with_group<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, sum_exp_rows<Shape, T>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("class_sum_exp", call, rows, call.in<T>(0), types.in(call, 1), types.out(call));
  }};
}

// x, m -> minus the first class whose logit is the largest
template <typename T>
Kernel class_place(const LocalNode& node) {
  const Rows rows = rows_of(node, node.inputs[0]);
  const auto kernel =
      with_group<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, place_rows<Shape, T>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("class_place", call, rows, call.in<T>(0), types.in(call, 1), types.out(call));
  }};
}

// x, labels -> t
template <typename T>
Kernel class_target(const LocalNode& node) {
  const Rows rows = rows_of(node, node.inputs[0]);
  const Target target(node);
  const OperandTypes types(node);
  if (target.of_each == 0) {
    const RowKernel kernel{pick_rows<T>, blocks_for(rows.count, element_threads), element_threads};
    return {[=](const Invocation& call) {
      kernel("class_target", call, rows, call.in<T>(0), call.in<std::int32_t>(1), types.out(call));
    }};
  }
  const auto kernel =
      with_group<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, target_rows<Shape, T>); });
  return {[=](const Invocation& call) {
    kernel("class_target", call, rows, target, call.in<T>(0), call.in<std::int32_t>(1), types.out(call));
  }};
}

// m, e, t, labels -> loss of each row
template <typename T>
Kernel class_nll(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1, 2}, {0});
  const std::int64_t count = node.outputs[0].elements();
  const RowKernel kernel{nll_rows<T>, blocks_for(count, element_threads), element_threads};
  return {[=](const Invocation& call) {
    kernel("class_nll", call, count, call.in<T>(0), call.in<T>(1), call.in<T>(2), call.in<std::int32_t>(3),
           call.out<T>());
  }};
}

// place, labels -> 1 where they are the same class
template <typename T>
Kernel correct(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {}, {0});
  const std::int64_t count = node.outputs[0].elements();
  const RowKernel kernel{correct_rows<T>, blocks_for(count, element_threads), element_threads};
  return {[=](const Invocation& call) {
    kernel("correct", call, count, call.in<T>(0), call.in<std::int32_t>(1), call.out<T>());
  }};
}

// labels -> number of rows with one
Kernel label_count(const LocalNode& node) {
  const RowKernel kernel{count_labels, 1, count_threads};
  return {[=, elements = node.inputs[0].elements(), types = OperandTypes(node)](const Invocation& call) {
    kernel("label_count", call, elements, call.in<std::int32_t>(0), types.out(call));
  }};
}

using bf16 = __nv_bfloat16;
const CudaKernel max_kernel("class_max", class_max<float>, class_max<bf16>, class_max<__half>);
const CudaKernel sum_exp_kernel("class_sum_exp", class_sum_exp<float>, class_sum_exp<bf16>, class_sum_exp<__half>);
const CudaKernel target_kernel("class_target", class_target<float>, class_target<bf16>, class_target<__half>);
const CudaKernel nll_kernel("class_nll", class_nll<float>, class_nll<bf16>, class_nll<__half>);
const CudaKernel count_kernel("label_count", label_count, label_count, label_count);
const CudaKernel place_kernel("class_place", class_place<float>, class_place<bf16>, class_place<__half>);
const CudaKernel correct_kernel("correct", correct<float>, correct<bf16>, correct<__half>);

}  // namespace
}  // namespace ctrain::cuda
