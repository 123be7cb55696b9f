// attention and ring_attention (ops/definitions/attention.cpp): a block of threads takes a tile of one head's queries
// and goes through the keys in tiles, with an online softmax between the two products of a tile.
// (Dao, "FlashAttention-2", 2023, algorithm 1.)
#include "ops/cuda/attention_dropout.h"
#include "ops/cuda/attention_heads.h"
#include "ops/cuda/attention_tiles.h"
#include "ops/cuda/cudnn_attention.h"
#include "ops/cuda/types.h"

namespace ctrain::cuda {
namespace {

// Tiles of queries and keys that, with the tile of scores, fit the 48 KiB of shared memory that every chip gives.
template <int width>
struct Shape;
template <>
struct Shape<64> {
  static constexpr int queries = 64, keys = 56, row_threads = 16;
};
template <>
struct Shape<128> {
  static constexpr int queries = 32, keys = 32, row_threads = 8;
};
template <>
struct Shape<256> {
  static constexpr int queries = 16, keys = 16, row_threads = 8;
};

template <typename T, int width>
__global__ void __launch_bounds__(Shape<width>::row_threads* row_lanes)
    forward(AttentionHeads heads, DeviceMask mask, const StepState* state, bool vectors, const T* qkv, const T* kv,
            T* o, Numbers lse) {
  constexpr int row_threads = Shape<width>::row_threads, threads = row_threads * row_lanes;
  constexpr int queries = Shape<width>::queries, keys = Shape<width>::keys;
  constexpr int own_rows = queries / row_threads, own_keys = keys / row_lanes, groups = width / 32;
  __shared__ Tile<queries, width> q_tile;
  __shared__ Tile<keys, width> key_tile;  // keys, then values
  __shared__ Tile<queries, keys> weights;
  __shared__ KeptPairs<queries, keys> kept;

  const int tx = static_cast<int>(threadIdx.x) % row_lanes, ty = static_cast<int>(threadIdx.x) / row_lanes;
  const auto [first, end, n, b] = heads.tile_of_queries(queries);
  const LogicalRange query_range(heads.s, first, end);
  const TokenRows<const T> q_rows = heads.queries(qkv, b, n), k_rows = heads.keys_of(kv, b, n);
  const TokenRows<const T> v_rows = heads.values_of(kv, b, n);
  const TokenRows<T> o_rows = heads.outputs(o, b, n);
  const std::uint64_t mask_key = mask.active ? mask.key(state) : 0;

  // Of each own row: the largest score so far, this thread's part of the sum of weights, and of the weighted values.
  float largest[own_rows], total[own_rows], sums[own_rows][groups][4];
#pragma unroll
  for (int i = 0; i < own_rows; ++i) {
    const int query = first + ty + row_threads * i;
    largest[i] = -INFINITY;
    total[i] = 0;
    clear_row(sums[i]);
    if (!heads.accumulate || query >= end) continue;
    largest[i] = lse[heads.statistic(b, n, query)];
    if (largest[i] == -INFINITY) continue;
    total[i] = tx == 0 ? 1.0F : 0.0F;
    read_row(o_rows[query], tx, heads.width, vectors, sums[i]);
  }
  load_tile<threads>(q_rows[first], q_rows.stride, end - first, heads.width, vectors, q_tile);

  for (int first_key = 0; first_key < heads.keys; first_key += keys) {
    const int end_key = min(first_key + keys, heads.keys);
    if (!heads.any_pair(query_range, LogicalRange(heads.key_s, first_key, end_key))) continue;
    __syncthreads();  // the values before were used
    load_tile<threads>(k_rows[first_key], k_rows.stride, end_key - first_key, heads.width, vectors, key_tile);
    if (mask.active) kept.template draw<threads>(heads, mask, mask_key, b, n, first, first_key);
    __syncthreads();
    float scores[own_rows][own_keys];
    multiply_rows<row_threads>(q_tile, key_tile, ty, tx, heads.width, scores);
    __syncthreads();
    load_tile<threads>(v_rows[first_key], v_rows.stride, end_key - first_key, heads.width, vectors, key_tile);
    int places[own_keys];
#pragma unroll
    for (int j = 0; j < own_keys; ++j) places[j] = heads.place(first_key + tx + row_lanes * j);
#pragma unroll
    for (int i = 0; i < own_rows; ++i) {
      const int row = ty + row_threads * i, reach = heads.reach(first + row);
      const float before = largest[i];
      float most = -INFINITY;
#pragma unroll
      for (int j = 0; j < own_keys; ++j) {
        scores[i][j] = places[j] <= reach ? scores[i][j] * heads.scale : -INFINITY;
        most = fmaxf(most, scores[i][j]);
      }
      largest[i] = fmaxf(before, largest_of_row_lanes(most));
      const float correction = before == -INFINITY ? 0.0F : expf(before - largest[i]);
      total[i] *= correction;
      scale_row(correction, sums[i]);
#pragma unroll
      for (int j = 0; j < own_keys; ++j) {
        float weight = scores[i][j] == -INFINITY ? 0.0F : expf(scores[i][j] - largest[i]);
        total[i] += weight;
        if (mask.active) weight *= kept(row, tx + row_lanes * j) ? mask.scale : 0.0F;
        weights[row][tx + row_lanes * j] = weight;
      }
    }
    __syncthreads();  // the values are there
    multiply_add<row_threads>(weights, key_tile, ty, tx, heads.width, sums);
  }

#pragma unroll
  for (int i = 0; i < own_rows; ++i) {
    const int query = first + ty + row_threads * i;
    const float sum = sum_of_row_lanes(total[i]);
    if (query >= end) continue;
    const float inverse = sum > 0 ? 1 / sum : 0.0F;  // no key so far: a later turn of the ring brings some
    scale_row(inverse, sums[i]);
    write_row(o_rows[query], tx, heads.width, vectors, sums[i]);
    if (tx == 0) lse.set(heads.statistic(b, n, query), largest[i] + logf(sum));
  }
}

template <typename T, int width>
Kernel kernel_of(const LocalNode& node) {
  const AttentionHeads heads(node);
  const DeviceMask mask(node, node.attributes.real("rate"));
  const OperandTypes types(node);
  const std::int64_t tiles = (heads.tokens + Shape<width>::queries - 1) / Shape<width>::queries;
  const std::int64_t blocks = heads.batch * heads.heads * tiles;
  return {[=](const Invocation& call) {
    if (blocks == 0) return;
    const T *qkv = call.in<T>(0), *kv = call.in<T>(heads.key_operand);
    T* o = call.out<T>(0);
    launch("attention", forward<T, width>, blocks_for(blocks, 1), Shape<width>::row_threads * row_lanes, 0,
           stream_of(call), heads, mask, call.state, whole_vectors<T>(heads.width, qkv, kv, o), qkv, kv, o,
           types.out(call, 1));
  }};
}

template <typename T>
Kernel tiled_attention(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0, node.inputs.size() - 1}, {0});
  const std::int64_t width = node.inputs[0].shape[4];
  if (width <= 64) return kernel_of<T, 64>(node);
  if (width <= 128) return kernel_of<T, 128>(node);
  if (width <= 256) return kernel_of<T, 256>(node);
  throw running_error("{}: heads of {} elements; attention on CUDA takes at most 256", node.name, width);
}

template <typename T>
Kernel attention(const LocalNode& node) {
  return prefer_cudnn(node, tiled_attention<T>(node));
}

const CudaKernel registration("attention", tiled_attention<float>, attention<__nv_bfloat16>, attention<__half>);
const CudaKernel ring_registration("ring_attention", tiled_attention<float>, tiled_attention<__nv_bfloat16>,
                                   tiled_attention<__half>);

}  // namespace
}  // namespace ctrain::cuda
