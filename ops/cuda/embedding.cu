// embedding, add_positions and its gradient (ops/definitions/embedding.cpp). Indices that this block of the table does
// not hold, be they another rank's or negative, contribute nothing.
#include "ops/cuda/map.h"
#include "ops/cuda/positions.h"
#include "ops/cuda/types.h"

namespace ctrain::cuda {
namespace {

// ids [..], table [v, h] -> [.., h]
template <typename T>
struct Looked {
  template <int n>
  __device__ void operator()(std::int64_t element, float (&y)[n]) const {
    const std::int64_t i = divide(element, width), row = held.local(ids[i], rows);
    if (row >= 0) return load(table + row * width + element - i * width, y);
#pragma unroll
    for (int k = 0; k < n; ++k) y[k] = 0;
  }
  const std::int32_t* ids;
  const T* table;
  Indices held;
  std::int64_t rows, width;
};

// Neighbours of a row are read together where rows are whole vectors.
template <typename T, typename Function, typename Out>
void map_rows(const char* name, const Invocation& call, std::int64_t elements, const Function& function, Out* y) {
  if (function.width % vector_width<T> == 0) {
    map<vector_width<T>>(name, call, elements, function, y);
  } else {
    map<1>(name, call, elements, function, y);
  }
}

template <typename T>
Kernel embedding(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {0});
  const Operand& table = node.inputs[1];
  const std::int64_t rows = table.shape[0], width = table.shape[1];
  return {[=, held = indices_of(node, table.dims[0]), elements = node.outputs[0].elements()](const Invocation& call) {
    const Looked<T> looked{call.in<std::int32_t>(0), call.in<T>(1), held, rows, width};
    map_rows<T>("embedding", call, elements, looked, call.out<T>());
  }};
}

// x [b, s, h] -> x + P[s]
template <typename T>
struct Positioned {
  template <int n>
  __device__ void operator()(std::int64_t element, float (&y)[n]) const {
    load(x + element, y);
    const std::int64_t row = divide(element, width), place = held.logical(row - divide(row, tokens) * tokens);
    if (place >= held.extent) return;
    float position[n];
    load(table + place * width + element - row * width, position);
#pragma unroll
    for (int k = 0; k < n; ++k) y[k] += position[k];
  }
  const T *x, *table;
  Indices held;
  std::int64_t tokens, width;
};

// dy [b, s, h] -> the sum over b where the table's row has a token
template <typename T>
struct PositionSums {
  template <int n>
  __device__ void operator()(std::int64_t element, float (&sum)[n]) const {
    const std::int64_t place = divide(element, width);
    const std::int64_t token = place < held.extent ? held.local(place, tokens) : -1;
#pragma unroll
    for (int k = 0; k < n; ++k) sum[k] = 0;
    for (std::int64_t b = 0; token >= 0 && b < batch; ++b) {
      float values[n];
      load(dy + (b * tokens + token) * width + element - place * width, values);
#pragma unroll
      for (int k = 0; k < n; ++k) sum[k] += values[k];
    }
  }
  const T* dy;
  Indices held;
  std::int64_t batch, tokens, width;
};

template <typename T>
Kernel add_positions(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0, 1}, {0});
  const Operand& x = node.inputs[0];
  return {[held = indices_of(node, {'s'}), elements = x.elements(), tokens = x.shape[1],
           width = x.shape[2]](const Invocation& call) {
    const Positioned<T> positioned{call.in<T>(0), call.in<T>(1), held, tokens, width};
    map_rows<T>("add_positions", call, elements, positioned, call.out<T>());
  }};
}

template <typename T, typename W>
Kernel add_positions_grad_of(const LocalNode& node) {
  const Operand& dy = node.inputs[0];
  return {[held = indices_of(node, {'s'}), elements = node.outputs[0].elements(), batch = dy.shape[0],
           tokens = dy.shape[1], width = dy.shape[2]](const Invocation& call) {
    map_rows<T>("add_positions_grad", call, elements, PositionSums<T>{call.in<T>(0), held, batch, tokens, width},
                call.out<W>());
  }};
}

// dP may be in fp32 whatever dy is
template <typename T>
Kernel add_positions_grad(const LocalNode& node) {
  if (node.outputs[0].dtype == DType::f32) return add_positions_grad_of<T, float>(node);
  require_type(node, dtype_of<T>(), {}, {0});
  return add_positions_grad_of<T, T>(node);
}

const CudaKernel embedding_kernel("embedding", embedding<float>, embedding<__nv_bfloat16>, embedding<__half>);
const CudaKernel positions_kernel("add_positions", add_positions<float>, add_positions<__nv_bfloat16>,
                                  add_positions<__half>);
const CudaKernel positions_grad_kernel("add_positions_grad", add_positions_grad<float>,
                                       add_positions_grad<__nv_bfloat16>, add_positions_grad<__half>);

}  // namespace
}  // namespace ctrain::cuda
