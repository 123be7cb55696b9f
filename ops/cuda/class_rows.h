// Rows of classes, ten or a vocabulary, as the kernels of losses go through them.
#pragma once

#include "ops/cuda/rows.h"

namespace ctrain::cuda {

// A warp or a block on each row, by its width.
template <typename T, typename Choose>
auto with_group(const Rows& rows, const Choose& choose) {
  return rows.width > warp * vector_width<T> * narrow_accesses
             ? choose(RowShape<vector_width<T>, wide_threads, wide_threads>())
             : choose(RowShape<vector_width<T>, warp, narrow_threads>());
}

// body(column, values of x there and behind it), for all of a row of any width, wherever it begins: what stands before
// the first and behind the last aligned vector is gone through one by one. A thread's columns ascend, and two of its
// vectors are on their way at once.
template <typename Shape, typename T, typename Body>
__device__ void each_vector(const T* __restrict__ x, int width, const Body& body) {
  constexpr int n = Shape::width, step = Shape::group * n;
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
  int column = first + Shape::thread() * n;
  float values[n];
#pragma unroll 1
  for (; column + step < last; column += 2 * step) {
    const Vector<T, n> here = load<n>(x + column), next = load<n>(x + column + step);
    here.unpack(values);
    body(column, values);
    next.unpack(values);
    body(column + step, values);
  }
  if (column < last) {
    load(x + column, values);
    body(column, values);
  }
  one_by_one(last, width);
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

}  // namespace ctrain::cuda
