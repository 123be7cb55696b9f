// Softmax cross-entropy, mean squared error, counts (ops/definitions/losses.cpp), over rows of ten classes or of a
// vocabulary. Padded columns and rows without a label are selected around, never multiplied by zero: a padded row's sum
// of exponents is zero, and 0/0 times 0 is NaN.
#include "ops/cuda/rows.h"

namespace ctrain::cuda {
namespace {

// A warp or a block on each row, by its width.
template <typename T, typename Choose>
auto with_group(const Rows& rows, const Choose& choose) {
  return rows.width > warp * vector_width<T> * narrow_accesses
             ? choose(RowShape<vector_width<T>, wide_threads, wide_threads>())
             : choose(RowShape<vector_width<T>, warp, narrow_threads>());
}

// body(column, values of x there and behind it), for all of a row of any width, wherever it begins: what stands before
// the first and behind the last aligned vector is gone through one by one.
template <typename Shape, typename T, typename Body>
__device__ void each_vector(const T* __restrict__ x, int width, const Body& body) {
  constexpr int n = Shape::width;
  const auto one_by_one = [&](int begin, int end) {
    for (int column = begin + Shape::thread(); column < end; column += Shape::group) {
      float values[1];
      load(x + column, values);
      body(column, values);
    }
  };
  const auto beyond = static_cast<int>(reinterpret_cast<std::uintptr_t>(x) / sizeof(T) % n);
  const int before = (n - beyond) % n, first = before < width ? before : width;
  const int last = width - (width - first) % n;
  one_by_one(0, first);
  for (int column = first + Shape::thread() * n; column < last; column += Shape::group * n) {
    float values[n];
    load(x + column, values);
    body(column, values);
  }
  one_by_one(last, width);
}

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

// The wanted probability of each class: `of_each`, and of the label's class `of_label` beyond it.
struct Target {
  explicit Target(const LocalNode& node) {
    const double smoothing = node.attributes.real("smoothing");
    of_label = static_cast<float>(1 - smoothing);
    of_each = static_cast<float>(smoothing / static_cast<double>(rows_of(node, node.inputs[0]).indices.extent));
  }
  float of_label, of_each;
};

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

// x and dx begin at multiples of 16 bytes, so that a row of one is aligned as that of the other is.
template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    entropy_gradient_rows(Rows rows, Target target, const T* __restrict__ x, Numbers maxima, Numbers sums,
                          const std::int32_t* __restrict__ labels, Numbers count, T* __restrict__ dx) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const std::int32_t label = labels[row];
  const int label_column = label < 0 ? -1 : rows.column(label);
  const float largest = maxima[row], inverse = 1 / sums[row], scale = 1 / count[0];
  T* own = dx + row * rows.width;
  each_vector<Shape>(x + row * rows.width, rows.width, [&]<int n>(int column, float(&values)[n]) {
#pragma unroll
    for (int k = 0; k < n; ++k) {
      const float wanted = target.of_each + (column + k == label_column ? target.of_label : 0);
      values[k] = label < 0 ? 0 : (expf(values[k] - largest) * inverse - wanted) * scale;
    }
    rows.clear_padding(values, column);
    store(own + column, values);
  });
}

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

// x, m, e, labels, count -> dx
template <typename T>
Kernel cross_entropy_grad(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {}, {0});
  const Rows rows = rows_of(node, node.inputs[0]);
  const auto kernel = with_group<T>(
      rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, entropy_gradient_rows<Shape, T>); });
  return {[=, target = Target(node), types = OperandTypes(node)](const Invocation& call) {
    kernel("cross_entropy_grad", call, rows, target, call.in<T>(0), types.in(call, 1), types.in(call, 2),
           call.in<std::int32_t>(3), types.in(call, 4), call.out<T>());
  }};
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
const CudaKernel entropy_grad_kernel("cross_entropy_grad", cross_entropy_grad<float>, cross_entropy_grad<bf16>,
                                     cross_entropy_grad<__half>);
const CudaKernel squared_kernel("squared_error", squared_error<float>, squared_error<bf16>, squared_error<__half>);
const CudaKernel squared_grad_kernel("squared_error_grad", squared_error_grad<float>, squared_error_grad<bf16>,
                                     squared_error_grad<__half>);
const CudaKernel count_kernel("label_count", label_count, label_count, label_count);
const CudaKernel place_kernel("class_place", class_place<float>, class_place<bf16>, class_place<__half>);
const CudaKernel correct_kernel("correct", correct<float>, correct<bf16>, correct<__half>);

}  // namespace
}  // namespace ctrain::cuda
