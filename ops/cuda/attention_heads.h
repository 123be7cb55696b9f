// The heads of one block of attention, or of one turn of a ring (parallel/tensor/ring_attention.h), as the kernels see
// them: where queries, keys and values stand in memory and which pairs see each other.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/cuda/launch.h"

namespace ctrain::cuda {

// Consecutive tokens of one head in memory: rows of `width` elements, `stride` elements apart.
template <typename T>
struct TokenRows {
  T* first;
  std::int64_t stride;
  __device__ T* operator[](int row) const { return first + row * stride; }
};

// The smallest and the largest logical index of tokens first ... end - 1, which may stand in two runs.
struct LogicalRange {
  __device__ LogicalRange(const Indices& s, int first, int end) {
    lowest = s.logical(first);
    highest = s.logical(end - 1);
    if (first < s.first_length && end > s.first_length) {
      lowest = lowest < s.start[1] ? lowest : s.start[1];
      const std::int64_t last = s.start[0] + s.first_length - 1;
      highest = highest > last ? highest : last;
    }
  }
  std::int64_t lowest, highest;
};

// A block of threads' share: tokens first ... end - 1 of head n of sample b.
struct TokenTile {
  int first, end;
  std::int64_t n, b;
};

struct AttentionHeads {
  explicit AttentionHeads(const LocalNode& node)
      : ring(node.op.starts_with("ring_")),
        accumulate(node.accumulate),
        causal(node.attributes.integer("causal") != 0),
        batch(node.inputs[0].shape[0]),
        tokens(static_cast<int>(node.inputs[0].shape[1])),
        keys(ring ? static_cast<int>(node.inputs.back().shape[1]) : tokens),
        key_operand(ring ? node.inputs.size() - 1 : 0),
        heads(node.inputs[0].shape[3]),
        width(static_cast<int>(node.inputs[0].shape[4])),
        scale(static_cast<float>(1 / std::sqrt(static_cast<double>(node.extent({'d'}))))),
        all_heads(node.extent({'n'})),
        b(indices_of(node, {'b'})),
        n(indices_of(node, {'n'})),
        s(indices_of(node, {'s'})),
        key_s(ring ? indices_of(node, {'s', 1}) : s) {}

  // Tiles of at most `rows` queries or keys, one for each block of threads of the launch. The last queries come first:
  // where a mask is causal they see the most keys.
  [[nodiscard]] __device__ TokenTile tile_of_queries(int rows) const { return tile(tokens, rows, true); }
  [[nodiscard]] __device__ TokenTile tile_of_keys(int rows) const { return tile(keys, rows, false); }

  // A head's queries in [b, s, q|k|v, n, d] and its keys and values, there or in [b, s, k|v, n, d]; T may be const.
  template <typename T>
  [[nodiscard]] __device__ TokenRows<T> queries(T* qkv, std::int64_t at_b, std::int64_t at_n) const {
    return {qkv + (at_b * tokens * 3 * heads + at_n) * width, 3 * heads * width};
  }
  template <typename T>
  [[nodiscard]] __device__ TokenRows<T> keys_of(T* kv, std::int64_t at_b, std::int64_t at_n) const {
    const std::int64_t parts = ring ? 2 : 3;
    return {kv + ((at_b * keys * parts + parts - 2) * heads + at_n) * width, parts * heads * width};
  }
  template <typename T>
  [[nodiscard]] __device__ TokenRows<T> values_of(T* kv, std::int64_t at_b, std::int64_t at_n) const {
    const TokenRows<T> rows = keys_of(kv, at_b, at_n);
    return {rows.first + heads * width, rows.stride};
  }
  // A head's outputs in [b, s, n, d], and a query's place in statistics [b, n, s].
  template <typename T>
  [[nodiscard]] __device__ TokenRows<T> outputs(T* o, std::int64_t at_b, std::int64_t at_n) const {
    return {o + (at_b * tokens * heads + at_n) * width, heads * width};
  }
  [[nodiscard]] __device__ std::int64_t statistic(std::int64_t at_b, std::int64_t at_n, int query) const {
    return (at_b * heads + at_n) * tokens + query;
  }

  // A pair of query and key sees each other where the key's place is not beyond the query's reach.
  [[nodiscard]] __device__ int place(int key) const {
    return key < keys && key_s.valid(key) ? static_cast<int>(key_s.logical(key)) : std::numeric_limits<int>::max();
  }
  [[nodiscard]] __device__ int reach(int query) const {
    return causal ? static_cast<int>(s.logical(query)) : std::numeric_limits<int>::max() - 1;
  }
  // Whether any pair of these queries and keys may do so.
  [[nodiscard]] __device__ bool any_pair(const LogicalRange& of_queries, const LogicalRange& of_keys) const {
    return of_keys.lowest < key_s.extent && (!causal || of_keys.lowest <= of_queries.highest);
  }
  // The logical index of (b, n, query, key 0), by which dropout draws.
  [[nodiscard]] __device__ std::int64_t mask_row(std::int64_t at_b, std::int64_t at_n, int query) const {
    return ((b.logical(at_b) * all_heads + n.logical(at_n)) * s.extent + s.logical(query)) * s.extent;
  }

  bool ring, accumulate, causal;
  std::int64_t batch;
  int tokens, keys;
  std::size_t key_operand;  // which input holds keys and values
  std::int64_t heads;
  int width;
  float scale;
  std::int64_t all_heads;  // logical
  Indices b, n, s, key_s;

 private:
  [[nodiscard]] __device__ TokenTile tile(int count, int rows, bool last_first) const {
    const auto tiles = static_cast<unsigned>((count + rows - 1) / rows);
    const unsigned turn = blockIdx.x % tiles;
    const int start = static_cast<int>(last_first ? tiles - 1 - turn : turn) * rows;
    return {start, min(start + rows, count), blockIdx.x / tiles % heads, blockIdx.x / tiles / heads};
  }
};

}  // namespace ctrain::cuda
