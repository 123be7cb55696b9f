// embedding, add_positions and their gradients (ops/definitions/embedding.cpp). Indices that this block of the table
// does not hold, be they another rank's or negative, contribute nothing.
#include "ops/cuda/map.h"
#include "ops/cuda/positions.h"
#include "ops/cuda/reductions.h"
#include "ops/cuda/types.h"

namespace ctrain::cuda {
namespace {

constexpr int threads = 256, warps = threads / warp, rounds = 4;
constexpr int chunk = rounds * threads;  // indices looked at between barriers

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

// One block per row of the table goes through all ids (a few KB, soon in the cache) and adds up the rows of dy whose id
// is the row's, in their order: no atomics, no sorting, the same bits in every run. A thread has n columns.
template <typename T, typename W, int n>
__global__ void __launch_bounds__(threads)
    add_rows(std::int64_t count, std::int64_t width, Indices held, const std::int32_t* ids, const T* dy, W* table) {
  __shared__ unsigned votes[rounds][warps];  // of which ids are the row's
  const int lane = static_cast<int>(threadIdx.x) % warp, own_warp = static_cast<int>(threadIdx.x) / warp;
  const std::int64_t id = held.logical(blockIdx.x);
  const std::int64_t column = (std::int64_t{blockIdx.y} * threads + threadIdx.x) * n;
  float sum[n] = {};
  for (std::int64_t first = 0; first < count; first += chunk) {
    unsigned any = 0;
#pragma unroll
    for (int round = 0; round < rounds; ++round) {
      const std::int64_t i = first + round * threads + threadIdx.x;
      const unsigned vote = __ballot_sync(0xffffffffU, i < count && ids[i] == id);
      if (lane == 0) votes[round][own_warp] = vote;
      any |= vote;
    }
    if (__syncthreads_or(static_cast<int>(any != 0)) == 0) continue;
    for (int word = 0; word < rounds * warps; ++word)
      for (unsigned rest = votes[word / warps][word % warps]; rest != 0; rest &= rest - 1) {
        const std::int64_t i = first + word * warp + __ffs(static_cast<int>(rest)) - 1;
        if (column >= width) continue;
        float values[n];
        load(dy + i * width + column, values);
#pragma unroll
        for (int k = 0; k < n; ++k) sum[k] += values[k];
      }
    __syncthreads();  // who still reads the votes
  }
  if (column < width) store<n>(table + blockIdx.x * width + column, sum);
}

template <typename T, typename W, int n>
Kernel embedding_grad_of(const LocalNode& node) {
  const Operand& table = node.outputs[0];
  const std::int64_t rows = table.shape[0], width = table.shape[1], count = node.inputs[0].elements();
  return {[=, held = indices_of(node, table.dims[0])](const Invocation& call) {
    if (rows == 0 || width == 0) return;
    const dim3 blocks(static_cast<unsigned>(rows), static_cast<unsigned>(blocks_for(width, threads * n)));
    launch("embedding_grad", add_rows<T, W, n>, blocks, threads, 0, stream_of(call), count, width, held,
           call.in<std::int32_t>(0), call.in<T>(1), call.out<W>());
  }};
}

// ids [..], dy [.., h] -> dE [v, h], which may be in fp32 whatever dy is
template <typename T>
Kernel embedding_grad(const LocalNode& node) {
  const auto make = [&]<typename W>() {
    constexpr int n = vector_width<T>;
    return node.outputs[0].shape[1] % n == 0 ? embedding_grad_of<T, W, n>(node) : embedding_grad_of<T, W, 1>(node);
  };
  if (node.outputs[0].dtype == DType::f32) return make.template operator()<float>();
  require_type(node, dtype_of<T>(), {}, {0});
  return make.template operator()<T>();
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
const CudaKernel embedding_grad_kernel("embedding_grad", embedding_grad<float>, embedding_grad<__nv_bfloat16>,
                                       embedding_grad<__half>);
const CudaKernel positions_kernel("add_positions", add_positions<float>, add_positions<__nv_bfloat16>,
                                  add_positions<__half>);
const CudaKernel positions_grad_kernel("add_positions_grad", add_positions_grad<float>,
                                       add_positions_grad<__nv_bfloat16>, add_positions_grad<__half>);

}  // namespace
}  // namespace ctrain::cuda
