// embedding_grad (ops/definitions/embedding.cpp): ids [..], dy [.., h] -> dE [v, h], in time that grows with the number
// of tokens plus the size of the table, without atomics, the same bits in every run. The table's rows are divided among
// at most 256 buckets. First each bucket lists its tokens, in their order; then each row goes through the list of its
// bucket, and adds up what is its own.
#include <limits>

#include "ops/cuda/positions.h"
#include "ops/cuda/reductions.h"
#include "ops/cuda/types.h"
#include "ops/cuda/vectors.h"

namespace ctrain::cuda {
namespace {

constexpr std::int64_t most_buckets = 256;  // about as many as a bucket of a large vocabulary has rows
constexpr int list_threads = 1024, at_once = 4;

struct Token {
  std::int32_t index, row;  // in dy; in this block of the table
};

// What both kernels know of the table and of the lists, which stand one behind the other.
struct Buckets {
  std::int64_t tokens, rows, rows_of_each;
  Indices held;  // rows of the table: ids of other ranks' rows and negative ones are in no bucket
  Token* list;
  std::int32_t* starts;  // of each bucket's list, and the end of the last one
};

// How many of the threads before this one's have `count`, all together, and in the whole block.
template <int threads>
__device__ int count_before(int count, int& total) {
  __shared__ int of_warps[threads / warp];
  const int lane = static_cast<int>(threadIdx.x) % warp, own_warp = static_cast<int>(threadIdx.x) / warp;
  int sum = count;
#pragma unroll
  for (int distance = 1; distance < warp; distance *= 2) {
    const int before = __shfl_up_sync(0xffffffffU, sum, distance);
    if (lane >= distance) sum += before;
  }
  __syncthreads();  // who is still reading the counts before
  if (lane == warp - 1) of_warps[own_warp] = sum;
  __syncthreads();
  int before = sum - count;
  total = 0;
#pragma unroll
  for (int i = 0; i < threads / warp; ++i) {
    if (i < own_warp) before += of_warps[i];
    total += of_warps[i];
  }
  return before;
}

// A block lists the tokens of one bucket, behind those of all buckets before it.
__global__ void __launch_bounds__(list_threads) list_tokens(Buckets buckets, const std::int32_t* __restrict__ ids) {
  const auto begin = static_cast<int>(blockIdx.x * buckets.rows_of_each);
  const auto end = static_cast<int>(min(begin + buckets.rows_of_each, buckets.rows));
  const auto local_rows = [&](std::int64_t first, int(&rows)[at_once]) {
#pragma unroll
    for (int k = 0; k < at_once; ++k)
      rows[k] = first + k < buckets.tokens ? static_cast<int>(buckets.held.local(ids[first + k], buckets.rows)) : -1;
  };
  constexpr std::int64_t step = list_threads * at_once;

  int before = 0, next = 0, listed = 0;
  for (std::int64_t first = threadIdx.x * at_once; first < buckets.tokens; first += step) {
    int rows[at_once];
    local_rows(first, rows);
#pragma unroll
    for (int k = 0; k < at_once; ++k) before += rows[k] >= 0 && rows[k] < begin ? 1 : 0;
  }
  count_before<list_threads>(before, next);
  if (threadIdx.x == 0) buckets.starts[blockIdx.x] = next;

  for (std::int64_t round = 0; round < buckets.tokens; round += step) {
    const std::int64_t first = round + threadIdx.x * at_once;
    int rows[at_once];
    local_rows(first, rows);
    int own = 0;
#pragma unroll
    for (int k = 0; k < at_once; ++k) own += rows[k] >= begin && rows[k] < end ? 1 : 0;
    int place = next + count_before<list_threads>(own, listed);
#pragma unroll
    for (int k = 0; k < at_once; ++k)
      if (rows[k] >= begin && rows[k] < end) buckets.list[place++] = {static_cast<std::int32_t>(first + k), rows[k]};
    next += listed;
  }
  if (threadIdx.x == 0 && blockIdx.x == gridDim.x - 1) buckets.starts[gridDim.x] = next;
}

// A block has one row of the table, and a thread n of its columns. The row's tokens go to shared memory first, so that
// several rows of dy are on their way at once.
template <typename T, typename W, int n, int threads>
__global__ void __launch_bounds__(threads) add_tokens(Buckets buckets, int width, const T* __restrict__ dy, W* table) {
  __shared__ std::int32_t tokens[threads];
  const auto bucket = blockIdx.x / static_cast<unsigned>(buckets.rows_of_each);
  const std::int32_t begin = buckets.starts[bucket], end = buckets.starts[bucket + 1];
  const auto column = static_cast<int>(blockIdx.y * threads + threadIdx.x) * n;  // in 64 bits, stores come out narrow
  float sum[n] = {};
  for (std::int32_t first = begin; first < end; first += threads) {
    const std::int32_t i = first + static_cast<std::int32_t>(threadIdx.x);
    const Token token = i < end ? buckets.list[i] : Token{0, -1};
    const bool is_own = token.row == static_cast<std::int32_t>(blockIdx.x);
    int count = 0;
    const int place = count_before<threads>(is_own ? 1 : 0, count);
    if (is_own) tokens[place] = token.index;
    __syncthreads();
    if (column >= width) continue;
#pragma unroll 8
    for (int k = 0; k < count; ++k) {
      float values[n];
      load(dy + std::int64_t{tokens[k]} * width + column, values);
#pragma unroll
      for (int j = 0; j < n; ++j) sum[j] += values[j];
    }
  }
  if (column < width) store<n>(table + std::int64_t{blockIdx.x} * width + column, sum);
}

template <typename T, typename W, int n, int threads>
Kernel kernel_of(const LocalNode& node) {
  const std::int64_t tokens = node.inputs[0].elements(), width = node.outputs[0].shape[1];
  const std::int64_t rows = node.outputs[0].shape[0], rows_of_each = (rows + most_buckets - 1) / most_buckets;
  for (const std::int64_t extent : {tokens, rows, width})
    require(extent <= std::numeric_limits<std::int32_t>::max(), "{}: an extent of {}", node.name, extent);
  const Buckets shape{tokens, rows, rows_of_each, indices_of(node, node.outputs[0].dims[0]), nullptr, nullptr};
  const auto bucket_count = rows_of_each == 0 ? 0 : static_cast<unsigned>((rows + rows_of_each - 1) / rows_of_each);
  const dim3 blocks(static_cast<unsigned>(rows), static_cast<unsigned>(blocks_for(width, threads * n)));
  const auto run = [=](const Invocation& call) {
    if (rows == 0 || width == 0) return;
    Buckets buckets = shape;
    buckets.list = static_cast<Token*>(call.workspace);
    buckets.starts = reinterpret_cast<std::int32_t*>(buckets.list + tokens);
    launch("embedding_grad: lists", list_tokens, bucket_count, list_threads, 0, stream_of(call), buckets,
           call.in<std::int32_t>(0));
    launch("embedding_grad", add_tokens<T, W, n, threads>, blocks, threads, 0, stream_of(call), buckets,
           static_cast<int>(width), call.in<T>(1), call.out<W>());
  };
  return {run, static_cast<std::size_t>(tokens) * sizeof(Token) + (bucket_count + 1) * sizeof(std::int32_t)};
}

// dE may be in fp32 whatever dy is. As many threads as a row of the usual width keeps busy.
template <typename T, typename W>
Kernel with_shape(const LocalNode& node) {
  constexpr int n = vector_width<T>;
  const std::int64_t width = node.outputs[0].shape[1];
  if (width % n != 0) return kernel_of<T, W, 1, 256>(node);
  return width <= 128 * n ? kernel_of<T, W, n, 128>(node) : kernel_of<T, W, n, 256>(node);
}

template <typename T>
Kernel embedding_grad(const LocalNode& node) {
  if (node.outputs[0].dtype == DType::f32) return with_shape<T, float>(node);
  require_type(node, dtype_of<T>(), {}, {0});
  return with_shape<T, T>(node);
}

const CudaKernel registration("embedding_grad", embedding_grad<float>, embedding_grad<__nv_bfloat16>,
                              embedding_grad<__half>);

}  // namespace
}  // namespace ctrain::cuda
