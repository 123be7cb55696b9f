// attention and attention_grad (ops/definitions/attention.cpp) as graphs of cuDNN's, which its engines for attention
// recognise and run as fused kernels: bf16 and fp16, whole sequences in order, no dropout (cuDNN draws masks of its
// own), on chips from compute capability 8.0 on. What cuDNN calls statistics is our lse, in fp32.
//
// (The library's single operations for attention would be simpler, but cuDNN 9.19 has no causal masks in the forward
// one, and no graph takes the backward one.)
#include "ops/cuda/cudnn_attention.h"

#include <cmath>
#include <limits>
#include <string>

#include "memory/allocation_counter.h"
#include "memory/arena_planner.h"
#include "memory/cuda/check.h"
#include "ops/cuda/cudnn_graph.h"

namespace ctrain::cuda {
namespace {

constexpr std::int64_t oldest_version = 91600;  // before, lengths that are no multiple of 128 needed padding masks
constexpr std::int64_t most_scores = std::int64_t{256} << 20;  // bytes of a gradient's scores that are held at once

// The part of a block that one run of the plan takes, and how it stands in the block.
struct AttentionShape {
  std::int64_t batch, heads, tokens, width;
  std::int64_t all_heads;
  bool causal;
  cudnnDataType_t type;

  using Extents = CudnnGraph::Extents;
  [[nodiscard]] Extents rows() const { return {batch, heads, tokens, width}; }
  [[nodiscard]] Extents columns() const { return {batch, heads, width, tokens}; }
  [[nodiscard]] Extents scores() const { return {batch, heads, tokens, tokens}; }
  [[nodiscard]] Extents statistics() const { return {batch, heads, tokens, 1}; }
  // Strides of queries, keys and values in [b, s, t, n, d], of outputs in [b, s, n, d], of statistics in [b, s, n].
  [[nodiscard]] Extents packed() const { return strides(3 * all_heads * width); }
  [[nodiscard]] Extents packed_columns() const { return {packed()[0], packed()[1], 1, packed()[2]}; }
  [[nodiscard]] Extents outputs() const { return strides(all_heads * width); }
  [[nodiscard]] Extents statistic_strides() const { return {tokens * all_heads, 1, all_heads, 1}; }

 private:
  [[nodiscard]] Extents strides(std::int64_t row) const { return {tokens * row, width, row, 1}; }
};

CudnnGraph::Extents row_major(const CudnnGraph::Extents& extents) {
  CudnnGraph::Extents strides(extents.size(), 1);
  for (std::size_t i = extents.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * extents[i + 1];
  return strides;
}

// The operations that forward and backward share.
class AttentionGraph : public CudnnGraph {
 public:
  explicit AttentionGraph(const AttentionShape& shape) : shape_(shape) {}

  Tensor intermediate(const Extents& extents, cudnnDataType_t type = CUDNN_DATA_FLOAT) {
    return CudnnGraph::intermediate(extents, row_major(extents), type);
  }
  Tensor scaled(Tensor scores, Tensor scale) {
    const Tensor result = intermediate(shape_.scores());
    pointwise(CUDNN_POINTWISE_MUL, scores, scale, result);
    return result;
  }
  Tensor masked(Tensor scores, Tensor minus_infinity) {
    if (!shape_.causal) return scores;
    const Tensor query = intermediate(shape_.scores(), CUDNN_DATA_INT32);
    const Tensor key = intermediate(shape_.scores(), CUDNN_DATA_INT32);
    const Tensor seen = intermediate(shape_.scores(), CUDNN_DATA_BOOLEAN), result = intermediate(shape_.scores());
    index(2, scores, query);
    index(3, scores, key);
    pointwise(CUDNN_POINTWISE_CMP_GE, query, key, seen);
    select(seen, scores, minus_infinity, result);
    return result;
  }
  Tensor product(Tensor a, Tensor b) {
    const Tensor result = intermediate(shape_.scores());
    matmul(a, b, result);
    return result;
  }
  Tensor apply(cudnnPointwiseMode_t mode, Tensor x, const Extents& extents) {
    const Tensor result = intermediate(extents);
    pointwise(mode, x, result);
    return result;
  }
  Tensor apply(cudnnPointwiseMode_t mode, Tensor x, Tensor b, const Extents& extents) {
    const Tensor result = intermediate(extents);
    pointwise(mode, x, b, result);
    return result;
  }
  // Scores of queries by keys as keys by queries, in the operands' type.
  Tensor transposed(Tensor scores) {
    const auto [batch, heads, tokens, width] = std::tuple(shape_.batch, shape_.heads, shape_.tokens, shape_.width);
    const Tensor result = CudnnGraph::intermediate(
        shape_.scores(), {heads * tokens * tokens, tokens * tokens, 1, tokens}, shape_.type);
    reshape(scores, result);
    return result;
  }

 private:
  AttentionShape shape_;
};

// Operands, in this order: q, k, v, scale, -infinity, o, lse.
AttentionGraph forward_graph(const AttentionShape& shape) {
  AttentionGraph graph(shape);
  const auto q = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto transposed_k = graph.operand(shape.columns(), shape.packed_columns(), shape.type);
  const auto v = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto scale = graph.scalar(4), minus_infinity = graph.scalar(4);
  const auto o = graph.operand(shape.rows(), shape.outputs(), shape.type);
  const auto lse = graph.operand(shape.statistics(), shape.statistic_strides(), CUDNN_DATA_FLOAT);

  const auto scores = graph.masked(graph.scaled(graph.product(q, transposed_k), scale), minus_infinity);
  const auto largest = graph.intermediate(shape.statistics()), total = graph.intermediate(shape.statistics());
  graph.reduce(CUDNN_REDUCE_TENSOR_MAX, scores, largest);
  const auto shifted = graph.apply(CUDNN_POINTWISE_SUB, scores, largest, shape.scores());
  const auto weights = graph.apply(CUDNN_POINTWISE_EXP, shifted, shape.scores());
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, weights, total);
  graph.pointwise(CUDNN_POINTWISE_ADD, largest, graph.apply(CUDNN_POINTWISE_LOG, total, shape.statistics()), lse);
  const auto probabilities = graph.intermediate(shape.scores(), shape.type);
  graph.pointwise(CUDNN_POINTWISE_DIV, weights, total, probabilities);
  graph.matmul(probabilities, v, o);
  return graph;
}

// Operands, in this order: q, k, v, o, lse, do, scale, one, -infinity, delta [b, n, s], dq, dk, dv. dq is one product
// and no sum of parts that blocks add in any order, so that two runs give the same bits; its plan holds the scores.
AttentionGraph backward_graph(const AttentionShape& shape) {
  AttentionGraph graph(shape);
  const auto q = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto transposed_k = graph.operand(shape.columns(), shape.packed_columns(), shape.type);
  const auto transposed_v = graph.operand(shape.columns(), shape.packed_columns(), shape.type);
  const auto o = graph.operand(shape.rows(), shape.outputs(), shape.type);
  const auto lse = graph.operand(shape.statistics(), shape.statistic_strides(), CUDNN_DATA_FLOAT);
  const auto d_o = graph.operand(shape.rows(), shape.outputs(), shape.type);
  const auto scale = graph.scalar(4), one = graph.scalar(4), minus_infinity = graph.scalar(4);
  const auto delta = graph.operand(shape.statistics(), row_major(shape.statistics()), CUDNN_DATA_FLOAT);
  const auto dq = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto dk = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto dv = graph.operand(shape.rows(), shape.packed(), shape.type);

  const auto row_sums = graph.intermediate(shape.statistics());
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, graph.apply(CUDNN_POINTWISE_MUL, d_o, o, shape.rows()), row_sums);
  graph.pointwise(CUDNN_POINTWISE_MUL, row_sums, one, delta);

  const auto scores = graph.scaled(graph.product(q, transposed_k), scale);
  const auto shifted = graph.apply(CUDNN_POINTWISE_SUB, scores, lse, shape.scores());
  const auto probabilities =
      graph.apply(CUDNN_POINTWISE_EXP, graph.masked(shifted, minus_infinity), shape.scores());
  graph.matmul(graph.transposed(probabilities), d_o, dv);

  const auto of_probabilities = graph.product(d_o, transposed_v);
  const auto centred = graph.apply(CUDNN_POINTWISE_SUB, of_probabilities, delta, shape.scores());
  const auto of_scores = graph.apply(CUDNN_POINTWISE_MUL, centred, probabilities, shape.scores());
  const auto of_products = graph.apply(CUDNN_POINTWISE_MUL, of_scores, scale, shape.scores());
  graph.matmul(graph.transposed(of_products), q, dk);
  const auto k = graph.CudnnGraph::intermediate(shape.rows(), shape.packed(), shape.type);
  graph.reshape(transposed_k, k);
  graph.matmul(of_products, k, dq);
  return graph;
}

}  // namespace
}  // namespace ctrain::cuda
