// What the kernels of a layer norm share (ops/definitions/layer_norm.cpp): the moments of a row, and sweeps over a row
// whose part a thread keeps in its registers.
#pragma once

#include <type_traits>

#include "ops/cuda/rows.h"

namespace ctrain::cuda {

// What makes a row normal: x̂ = (x - mean) rstd.
struct RowMoments {
  [[nodiscard]] __device__ float normal(float x) const { return (x - mean) * rstd; }
  float mean, rstd;
};

struct NormalRows : Rows {
  explicit NormalRows(const Rows& rows, double epsilon_ = 0)
      : Rows(rows), inverse_size(1 / static_cast<float>(rows.indices.extent)), epsilon(static_cast<float>(epsilon_)) {}

  [[nodiscard]] __device__ float mean(float sum) const { return sum * inverse_size; }
  [[nodiscard]] __device__ RowMoments moments(float sum, float squares) const {
    return {mean(sum), rsqrtf(squares * inverse_size + epsilon)};
  }

  float inverse_size;  // 1 / H, of the logical extent
  float epsilon;
};

inline NormalRows normal_rows(const LocalNode& node) {
  return NormalRows(rows_of(node, node.inputs[0]), node.attributes.real("epsilon"));
}

// body(i, column) for each access of this thread to a row: `held` of them, known to the compiler, so that i may index
// registers; any number where held is 0.
template <typename Shape, int held, typename Body>
__device__ void each_access(int width, const Body& body) {
  if constexpr (held > 0) {
#pragma unroll
    for (int i = 0; i < held; ++i) {
      const int column = (i * Shape::group + Shape::thread()) * Shape::width;
      if (column < width) body(i, column);
    }
  } else {
    for (int column = Shape::thread() * Shape::width; column < width; column += Shape::group * Shape::width)
      body(0, column);
  }
}

// This thread's part of a row: fetched at once and kept, or anew in every sweep where held is 0.
template <typename T, typename Shape, int held>
class RowPart {
 public:
  RowPart() = default;
  __device__ RowPart(const T* row, int width) : row_(row) {
    if constexpr (held > 0)
      each_access<Shape, held>(width, [&](int i, int column) { kept_[i] = cuda::load<Shape::width>(row_ + column); });
  }
  // x + residual, as it is written to `total`.
  __device__ RowPart(const T* x, const T* residual, T* total, int width) : RowPart(x, width) {
    const RowPart other(residual, width);
    each_access<Shape, held>(width, [&](int i, int column) {
      float sum[Shape::width];
      load(i, column, sum);
      other.add_to(sum, i, column);
      kept_[i] = packed<T>(sum);
      store(total + column, kept_[i]);
    });
    row_ = total;
  }
  __device__ void load(int i, int column, float (&to)[Shape::width]) const {
    if constexpr (held > 0)
      kept_[i].unpack(to);
    else
      cuda::load(row_ + column, to);
  }
  __device__ void add_to(float (&sum)[Shape::width], int i, int column) const {
    float terms[Shape::width];
    load(i, column, terms);
#pragma unroll
    for (int k = 0; k < Shape::width; ++k) sum[k] += terms[k];
  }

 private:
  const T* row_;
  Vector<T, Shape::width> kept_[held > 0 ? held : 1];
};

// choose(std::integral_constant) of the first of these numbers, which ascend, that is not below `needed`; the last one
// where all are.
template <int first, int... rest, typename Choose>
auto with_at_least(int needed, const Choose& choose) {
  if constexpr (sizeof...(rest) > 0)
    if (needed > first) return with_at_least<rest...>(needed, choose);
  return choose(std::integral_constant<int, first>());
}

}  // namespace ctrain::cuda
