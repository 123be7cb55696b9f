// attention_grad and ring_attention_grad (ops/definitions/attention.cpp): qkv, o, lse, do (, kv) -> dqkv (, dkv). The
// probabilities are computed again from the row statistics, once by a kernel whose blocks take tiles of queries and go
// through the keys, for dq, and once by one whose blocks take tiles of keys and go through the queries, for dk and dv:
// no two blocks add to one number, so that two runs give the same bits. With K the dropout factors, ∘ elementwise:
//   P = exp(q kᵀ / sqrt(D) - lse)    dv = (P∘K)ᵀ do    dS = P∘(K∘(do vᵀ) - Σ_d do o) / sqrt(D)    dq = dS k
//   dk = dSᵀ q
// (Dao, "FlashAttention-2", 2023, algorithm 2.)
#include "ops/cuda/attention_dropout.h"
#include "ops/cuda/attention_heads.h"
#include "ops/cuda/attention_tiles.h"
#include "ops/cuda/cudnn_attention.h"
#include "ops/cuda/types.h"

namespace ctrain::cuda {
namespace {

// Rows of a block's own two tiles, and of the tile that passes: with the tile of weights they fit the 48 KiB of shared
// memory that every chip gives.
template <int width>
struct Shape;
template <>
struct Shape<64> {
  static constexpr int rows = 32, columns = 64;
};
template <>
struct Shape<128> {
  static constexpr int rows = 32, columns = 16;
};
template <>
struct Shape<256> {
  static constexpr int rows = 16, columns = 8;
};
constexpr int row_threads = 8, threads = row_threads * row_lanes;

// What both kernels read.
template <typename T>
struct Operands {
  const T *qkv, *kv, *o, *d_o;
  Numbers lse;   // [b, n, s]
  float* delta;  // Σ_d do o, [b, n, s]: written by the first kernel, read by the second
  bool vectors;
};

struct ScoreGradient {
  float probability, of_score;
};

// Of one pair that sees each other. `factor` is dropout's.
__device__ inline ScoreGradient score_gradient(float product, float lse, float of_probability, float factor,
                                               float delta, float scale) {
  const float probability = expf(product * scale - lse);
  return {probability, probability * (factor * of_probability - delta) * scale};
}

// Adds what earlier turns of a ring left, where there were any.
template <typename T, int groups>
__device__ void write_gradient(T* row, int tx, const AttentionHeads& heads, bool vectors, float (&values)[groups][4]) {
  if (heads.accumulate) {
    float before[groups][4];
    clear_row(before);
    read_row(row, tx, heads.width, vectors, before);
#pragma unroll
    for (int g = 0; g < groups; ++g)
#pragma unroll
      for (int c = 0; c < 4; ++c) values[g][c] += before[g][c];
  }
  write_row(row, tx, heads.width, vectors, values);
}

template <typename T, int width>
__global__ void __launch_bounds__(threads)
    queries_gradient(AttentionHeads heads, DeviceMask mask, const StepState* state, Operands<T> in, T* dqkv) {
  constexpr int queries = Shape<width>::rows, keys = Shape<width>::columns;
  constexpr int own_rows = queries / row_threads, own_keys = keys / row_lanes, groups = width / 32;
  __shared__ Tile<queries, width> q_tile, do_tile;
  __shared__ Tile<keys, width> key_tile;  // values, then keys
  __shared__ Tile<queries, keys> weights;
  __shared__ KeptPairs<queries, keys> kept;

  const int tx = static_cast<int>(threadIdx.x) % row_lanes, ty = static_cast<int>(threadIdx.x) / row_lanes;
  const auto [first, end, n, b] = heads.tile_of_queries(queries);
  const LogicalRange query_range(heads.s, first, end);
  const TokenRows<const T> q_rows = heads.queries(in.qkv, b, n), k_rows = heads.keys_of(in.kv, b, n);
  const TokenRows<const T> v_rows = heads.values_of(in.kv, b, n);
  const TokenRows<const T> o_rows = heads.outputs(in.o, b, n), do_rows = heads.outputs(in.d_o, b, n);
  const TokenRows<T> dq_rows = heads.queries(dqkv, b, n);
  const std::uint64_t mask_key = mask.active ? mask.key(state) : 0;

  load_tile<threads>(q_rows[first], q_rows.stride, end - first, heads.width, in.vectors, q_tile);
  load_tile<threads>(do_rows[first], do_rows.stride, end - first, heads.width, in.vectors, do_tile);
  __syncthreads();
  float lse[own_rows], delta[own_rows], dq[own_rows][groups][4];
#pragma unroll
  for (int i = 0; i < own_rows; ++i) {
    const int row = ty + row_threads * i;
    clear_row(dq[i]);
    delta[i] = 0;
    if (first + row < end)
      for (int d = tx; d < heads.width; d += row_lanes) delta[i] += do_tile[row][d] * to_float(o_rows[first + row][d]);
    delta[i] = sum_of_row_lanes(delta[i]);
    lse[i] = 0;
    if (first + row >= end) continue;
    const std::int64_t statistic = heads.statistic(b, n, first + row);
    lse[i] = in.lse[statistic];
    if (tx == 0) in.delta[statistic] = delta[i];
  }

  for (int first_key = 0; first_key < heads.keys; first_key += keys) {
    const int end_key = min(first_key + keys, heads.keys);
    if (!heads.any_pair(query_range, LogicalRange(heads.key_s, first_key, end_key))) continue;
    float products[own_rows][own_keys], of_probabilities[own_rows][own_keys];
    __syncthreads();  // the keys before were used
    load_tile<threads>(v_rows[first_key], v_rows.stride, end_key - first_key, heads.width, in.vectors, key_tile);
    if (mask.active) kept.template draw<threads>(heads, mask, mask_key, b, n, first, first_key);
    __syncthreads();
    multiply_rows<row_threads>(do_tile, key_tile, ty, tx, heads.width, of_probabilities);
    __syncthreads();
    load_tile<threads>(k_rows[first_key], k_rows.stride, end_key - first_key, heads.width, in.vectors, key_tile);
    __syncthreads();
    multiply_rows<row_threads>(q_tile, key_tile, ty, tx, heads.width, products);
#pragma unroll
    for (int i = 0; i < own_rows; ++i) {
      const int row = ty + row_threads * i, reach = heads.reach(first + row);
#pragma unroll
      for (int j = 0; j < own_keys; ++j) {
        const int place = heads.place(first_key + tx + row_lanes * j);
        float gradient = 0;
        if (place <= reach) {
          const float factor = !mask.active ? 1.0F : kept(row, tx + row_lanes * j) ? mask.scale : 0.0F;
          gradient =
              score_gradient(products[i][j], lse[i], of_probabilities[i][j], factor, delta[i], heads.scale).of_score;
        }
        weights[row][tx + row_lanes * j] = gradient;
      }
    }
    __syncwarp();
    multiply_add<row_threads>(weights, key_tile, ty, tx, heads.width, dq);
  }

#pragma unroll
  for (int i = 0; i < own_rows; ++i) {
    const int query = first + ty + row_threads * i;
    if (query < end) write_gradient(dq_rows[query], tx, heads, in.vectors, dq[i]);
  }
}

template <typename T, int width>
__global__ void __launch_bounds__(threads)
    keys_gradient(AttentionHeads heads, DeviceMask mask, const StepState* state, Operands<T> in, T* dkv) {
  constexpr int keys = Shape<width>::rows, queries = Shape<width>::columns;
  constexpr int own_rows = keys / row_threads, own_queries = queries / row_lanes, groups = width / 32;
  __shared__ Tile<keys, width> k_tile, v_tile;
  __shared__ Tile<queries, width> query_tile;  // queries, then gradients of outputs, then queries again
  __shared__ Tile<keys, queries> weights;
  __shared__ KeptPairs<queries, keys> kept;

  const int tx = static_cast<int>(threadIdx.x) % row_lanes, ty = static_cast<int>(threadIdx.x) / row_lanes;
  const auto [first, end, n, b] = heads.tile_of_keys(keys);
  const LogicalRange key_range(heads.key_s, first, end);
  const TokenRows<const T> q_rows = heads.queries(in.qkv, b, n), k_rows = heads.keys_of(in.kv, b, n);
  const TokenRows<const T> v_rows = heads.values_of(in.kv, b, n), do_rows = heads.outputs(in.d_o, b, n);
  const TokenRows<T> dk_rows = heads.keys_of(dkv, b, n), dv_rows = heads.values_of(dkv, b, n);
  const std::uint64_t mask_key = mask.active ? mask.key(state) : 0;

  load_tile<threads>(k_rows[first], k_rows.stride, end - first, heads.width, in.vectors, k_tile);
  load_tile<threads>(v_rows[first], v_rows.stride, end - first, heads.width, in.vectors, v_tile);
  int places[own_rows];
  float dk[own_rows][groups][4], dv[own_rows][groups][4];
#pragma unroll
  for (int i = 0; i < own_rows; ++i) {
    places[i] = heads.place(first + ty + row_threads * i);
    clear_row(dk[i]);
    clear_row(dv[i]);
  }

  for (int first_query = 0; first_query < heads.tokens; first_query += queries) {
    const int end_query = min(first_query + queries, heads.tokens), count = end_query - first_query;
    if (!heads.any_pair(LogicalRange(heads.s, first_query, end_query), key_range)) continue;
    float products[own_rows][own_queries], of_probabilities[own_rows][own_queries];
    __syncthreads();  // the queries before were used
    load_tile<threads>(q_rows[first_query], q_rows.stride, count, heads.width, in.vectors, query_tile);
    if (mask.active) kept.template draw<threads>(heads, mask, mask_key, b, n, first_query, first);
    __syncthreads();
    multiply_rows<row_threads>(k_tile, query_tile, ty, tx, heads.width, products);
    __syncthreads();
    load_tile<threads>(do_rows[first_query], do_rows.stride, count, heads.width, in.vectors, query_tile);
    __syncthreads();
    multiply_rows<row_threads>(v_tile, query_tile, ty, tx, heads.width, of_probabilities);
#pragma unroll
    for (int j = 0; j < own_queries; ++j) {
      const int query = first_query + tx + row_lanes * j;
      const bool there = query < end_query;
      const std::int64_t statistic = heads.statistic(b, n, query);
      const float lse = there ? in.lse[statistic] : 0.0F, delta = there ? in.delta[statistic] : 0.0F;
      const int reach = there ? heads.reach(query) : -1;
#pragma unroll
      for (int i = 0; i < own_rows; ++i) {
        ScoreGradient gradient{0, 0};
        float factor = 1;
        if (places[i] <= reach) {
          if (mask.active) factor = kept(tx + row_lanes * j, ty + row_threads * i) ? mask.scale : 0.0F;
          gradient = score_gradient(products[i][j], lse, of_probabilities[i][j], factor, delta, heads.scale);
        }
        weights[ty + row_threads * i][tx + row_lanes * j] = gradient.probability * factor;
        products[i][j] = gradient.of_score;
      }
    }
    __syncwarp();
    multiply_add<row_threads>(weights, query_tile, ty, tx, heads.width, dv);
    __syncthreads();
    load_tile<threads>(q_rows[first_query], q_rows.stride, count, heads.width, in.vectors, query_tile);
#pragma unroll
    for (int i = 0; i < own_rows; ++i)
#pragma unroll
      for (int j = 0; j < own_queries; ++j) weights[ty + row_threads * i][tx + row_lanes * j] = products[i][j];
    __syncthreads();
    multiply_add<row_threads>(weights, query_tile, ty, tx, heads.width, dk);
  }

#pragma unroll
  for (int i = 0; i < own_rows; ++i) {
    const int key = first + ty + row_threads * i;
    if (key >= end) continue;
    write_gradient(dk_rows[key], tx, heads, in.vectors, dk[i]);
    write_gradient(dv_rows[key], tx, heads, in.vectors, dv[i]);
  }
}

template <typename T, int width>
Kernel kernel_of(const LocalNode& node) {
  const AttentionHeads heads(node);
  const DeviceMask mask(node, node.attributes.real("rate"));
  const OperandTypes types(node);
  const auto blocks = [&](int tokens) {
    return heads.batch * heads.heads * ((tokens + Shape<width>::rows - 1) / Shape<width>::rows);
  };
  const auto run = [=, of_queries = blocks(heads.tokens), of_keys = blocks(heads.keys)](const Invocation& call) {
    T *dqkv = call.out<T>(0), *dkv = call.out<T>(heads.ring ? 1 : 0);
    Operands<T> in{call.in<T>(0),     call.in<T>(heads.key_operand),       call.in<T>(1), call.in<T>(3),
                   types.in(call, 2), static_cast<float*>(call.workspace), false};
    in.vectors = whole_vectors<T>(heads.width, in.qkv, in.kv, in.o, in.d_o, dqkv, dkv);
    if (of_queries > 0)
      launch("attention_grad of queries", queries_gradient<T, width>, blocks_for(of_queries, 1), threads, 0,
             stream_of(call), heads, mask, call.state, in, dqkv);
    if (of_keys > 0)
      launch("attention_grad of keys", keys_gradient<T, width>, blocks_for(of_keys, 1), threads, 0, stream_of(call),
             heads, mask, call.state, in, dkv);
  };
  return {run, static_cast<std::size_t>(heads.batch * heads.tokens * heads.heads) * sizeof(float)};
}

template <typename T>
Kernel tiled_attention_grad(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0, 1, 3, node.inputs.size() - 1}, {0, node.outputs.size() - 1});
  const std::int64_t width = node.inputs[0].shape[4];
  if (width <= 64) return kernel_of<T, 64>(node);
  if (width <= 128) return kernel_of<T, 128>(node);
  if (width <= 256) return kernel_of<T, 256>(node);
  throw running_error("{}: heads of {} elements; attention on CUDA takes at most 256", node.name, width);
}

template <typename T>
Kernel attention_grad(const LocalNode& node) {
  return prefer_cudnn(node, tiled_attention_grad<T>(node));
}

const CudaKernel registration("attention_grad", tiled_attention_grad<float>, attention_grad<__nv_bfloat16>,
                              attention_grad<__half>);
const CudaKernel ring_registration("ring_attention_grad", tiled_attention_grad<float>,
                                   tiled_attention_grad<__nv_bfloat16>, tiled_attention_grad<__half>);

}  // namespace
}  // namespace ctrain::cuda
