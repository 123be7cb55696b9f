// attention and attention_grad (ops/definitions/attention.cpp) as graphs of cuDNN's, which its engines for attention
// recognise and run as fused kernels: bf16 and fp16, whole sequences in order, no dropout (cuDNN draws masks of its
// own), on chips from compute capability 8.0 on. What cuDNN calls statistics is our lse, in fp32; it must stand packed
// as [b, n, s], because some engines before 9.26 read it so whatever strides the graph tells (cudnn-frontend's changes
// #304 and #642).
//
// (The library's single operations for attention would be simpler, but cuDNN 9.19 has no causal masks in the forward
// one, and no graph takes the backward one.)
#include "ops/cuda/cudnn_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <tuple>

#include "memory/allocation_counter.h"
#include "memory/arena_planner.h"
#include "memory/cuda/check.h"
#include "ops/cuda/cudnn_graph.h"
#include "ops/cuda/library_query.h"

namespace ctrain::cuda {
namespace {

constexpr std::int64_t oldest_version = 91600;  // before, lengths that are no multiple of 128 needed padding masks
constexpr std::int64_t most_scores = std::int64_t{256} << 20;  // bytes of scores that a backward plan may hold

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
  // Strides of queries, keys and values in [b, s, t, n, d], of outputs in [b, s, n, d].
  [[nodiscard]] Extents packed() const { return strides(3 * all_heads * width); }
  [[nodiscard]] Extents packed_columns() const { return {packed()[0], packed()[1], 1, packed()[2]}; }
  [[nodiscard]] Extents outputs() const { return strides(all_heads * width); }

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
  // Tells of one more scalar, -infinity, where the mask is causal.
  Tensor masked(Tensor scores) {
    if (!shape_.causal) return scores;
    const Tensor minus_infinity = scalar(4);
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
    const Tensor result =
        CudnnGraph::intermediate(shape_.scores(), {heads * tokens * tokens, tokens * tokens, 1, tokens}, shape_.type);
    reshape(scores, result);
    return result;
  }

 private:
  AttentionShape shape_;
};

// Operands, in this order: q, k, v, scale, o, lse (, -infinity).
AttentionGraph forward_graph(const AttentionShape& shape) {
  AttentionGraph graph(shape);
  const auto q = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto transposed_k = graph.operand(shape.columns(), shape.packed_columns(), shape.type);
  const auto v = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto scale = graph.scalar(4);
  const auto o = graph.operand(shape.rows(), shape.outputs(), shape.type);
  const auto lse = graph.operand(shape.statistics(), row_major(shape.statistics()), CUDNN_DATA_FLOAT);

  const auto scores = graph.masked(graph.scaled(graph.product(q, transposed_k), scale));
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

// Operands, in this order: q, k, v, o, lse, do, scale, one, delta [b, n, s], dq, dk, dv (, -infinity). dq is one
// product and no sum of parts that blocks add in any order, so that two runs give the same bits; its plan holds the
// scores.
AttentionGraph backward_graph(const AttentionShape& shape) {
  AttentionGraph graph(shape);
  const auto q = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto transposed_k = graph.operand(shape.columns(), shape.packed_columns(), shape.type);
  const auto transposed_v = graph.operand(shape.columns(), shape.packed_columns(), shape.type);
  const auto o = graph.operand(shape.rows(), shape.outputs(), shape.type);
  const auto lse = graph.operand(shape.statistics(), row_major(shape.statistics()), CUDNN_DATA_FLOAT);
  const auto d_o = graph.operand(shape.rows(), shape.outputs(), shape.type);
  const auto scale = graph.scalar(4), one = graph.scalar(4);
  const auto delta = graph.operand(shape.statistics(), row_major(shape.statistics()), CUDNN_DATA_FLOAT);
  const auto dq = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto dk = graph.operand(shape.rows(), shape.packed(), shape.type);
  const auto dv = graph.operand(shape.rows(), shape.packed(), shape.type);

  const auto row_sums = graph.intermediate(shape.statistics());
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, graph.apply(CUDNN_POINTWISE_MUL, d_o, o, shape.rows()), row_sums);
  graph.pointwise(CUDNN_POINTWISE_MUL, row_sums, one, delta);

  const auto scores = graph.scaled(graph.product(q, transposed_k), scale);
  const auto shifted = graph.apply(CUDNN_POINTWISE_SUB, scores, lse, shape.scores());
  const auto probabilities = graph.apply(CUDNN_POINTWISE_EXP, graph.masked(shifted), shape.scores());
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

cudnnDataType_t native(DType type) { return type == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF; }

bool is_gradient(const LocalNode& node) { return node.op == "attention_grad"; }

// The whole block, where cuDNN's graphs mean what the node means.
std::optional<AttentionShape> shape_of(const LocalNode& node) {
  const Operand& qkv = node.inputs[0];
  const DType lse = is_gradient(node) ? node.inputs[2].dtype : node.outputs[1].dtype;
  const Segments& tokens = node.indices({'s'});
  const bool in_order =
      tokens.runs[0].start == 0 && tokens.runs[0].length == node.extent({'s'}) && tokens.runs[1].length == 0;
  const AttentionShape shape{qkv.shape[0],     qkv.shape[3], qkv.shape[1],
                             qkv.shape[4],     qkv.shape[3], node.attributes.integer("causal") != 0,
                             native(qkv.dtype)};
  if (node.attributes.real("rate") > 0 || lse != DType::f32 || !in_order || shape.width % 8 != 0 || qkv.elements() == 0)
    return std::nullopt;
  if (shape.tokens == 1) return std::nullopt;  // cuDNN's own front end refuses it
  return shape;
}

// Bytes of the scores that a backward plan holds, rounded up to its tiles.
std::int64_t score_bytes(const AttentionShape& shape) {
  const std::int64_t tokens = (shape.tokens + 127) / 128 * 128;
  return shape.batch * shape.heads * tokens * tokens * 2;
}

// The largest part of the batch, or of the heads of one sample, whose scores may be held at once; nothing where those
// of one head may not.
std::optional<AttentionShape> part_of(AttentionShape shape) {
  for (std::int64_t* extent : {&shape.batch, &shape.heads}) {
    const std::int64_t all = *extent;
    for (std::int64_t parts = 1; parts <= all && score_bytes(shape) > most_scores; ++parts)
      if (all % parts == 0) *extent = all / parts;
  }
  return score_bytes(shape) <= most_scores ? std::optional(shape) : std::nullopt;
}

constexpr std::int64_t beside_scores = 64 << 10;  // bytes

// Bytes of workspace that a plan may have.
std::int64_t workspace_of(const AttentionShape& shape, bool gradient) {
  return align_up(beside_scores + (gradient ? score_bytes(shape) : 0));
}

// For the current GPU; nothing where cuDNN has none that gives the same bits twice. From capability 10 on its own
// choice for the gradient may add up in any order.
std::optional<CudnnPlan> plan_of(const AttentionShape& shape, bool gradient) {
  int device = 0, capability = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&capability, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
  if (capability < 8 || (gradient && capability > 9)) return std::nullopt;
  if (static_cast<std::int64_t>(cudnnGetVersion()) < oldest_version) return std::nullopt;
  const VendorCall vendor;
  const AttentionGraph graph = gradient ? backward_graph(shape) : forward_graph(shape);
  return graph.plan(current_cudnn_device(), workspace_of(shape, gradient));
}

class CudnnAttention {
 public:
  CudnnAttention(const LocalNode& node, const AttentionShape& whole, const AttentionShape& part,
                 const Kernel& otherwise)
      : gradient_(is_gradient(node)),
        whole_(whole),
        part_(part),
        scale_(static_cast<float>(1 / std::sqrt(static_cast<double>(node.extent({'d'}))))),
        otherwise_(otherwise) {
    pointers_.reserve(most_pointers);
  }

  // Of a plan, and behind it what a backward graph keeps of its rows.
  [[nodiscard]] std::size_t workspace() const {
    const std::int64_t rows = part_.batch * part_.heads * part_.tokens * static_cast<std::int64_t>(sizeof(float));
    return static_cast<std::size_t>(workspace_of(part_, gradient_) + (gradient_ ? rows : 0));
  }

  void run(const Invocation& call) {
    if (!chosen_) choose(call);
    if (!plan_) return otherwise_.run(call);
    const VendorCall vendor;
    for (std::int64_t b = 0; b < whole_.batch; b += part_.batch)
      for (std::int64_t n = 0; n < whole_.heads; n += part_.heads) {
        set_pointers(call, b, n);
        plan_->run(static_cast<cudaStream_t>(call.stream), pointers_, call.workspace);
      }
  }

 private:
  static constexpr std::size_t most_pointers = 13;

  void choose(const Invocation& call) {
    chosen_ = true;
    for (const auto& operands : {call.inputs, call.outputs})
      for (void* operand : operands)
        if (reinterpret_cast<std::uintptr_t>(operand) % 16 != 0) return;
    plan_ = plan_of(part_, gradient_);
  }

  // In the order of the graph's operands, for the part that begins at these indices.
  void set_pointers(const Invocation& call, std::int64_t b, std::int64_t n) {
    using Half = std::uint16_t;  // in size
    const std::int64_t row = whole_.heads * whole_.width, first = b * whole_.tokens;
    const auto packed = [&](void* qkv, int t) {
      return static_cast<Half*>(qkv) + (first * 3 + t) * row + n * whole_.width;
    };
    const auto output = [&](void* o) { return static_cast<Half*>(o) + first * row + n * whole_.width; };
    const auto statistic = [&](void* lse) { return static_cast<float*>(lse) + (b * whole_.heads + n) * whole_.tokens; };
    void *qkv = call.inputs[0], *q = packed(qkv, 0), *k = packed(qkv, 1), *v = packed(qkv, 2);
    if (gradient_) {
      void *dqkv = call.outputs[0], *delta = static_cast<std::byte*>(call.workspace) + workspace_of(part_, gradient_);
      pointers_ = {q,       k,     v,     output(call.inputs[1]), statistic(call.inputs[2]), output(call.inputs[3]),
                   &scale_, &one_, delta, packed(dqkv, 0),        packed(dqkv, 1),           packed(dqkv, 2)};
    } else {
      pointers_ = {q, k, v, &scale_, output(call.outputs[0]), statistic(call.outputs[1])};
    }
    if (whole_.causal) pointers_.push_back(&minus_infinity_);
  }

  bool gradient_;
  AttentionShape whole_, part_;
  float scale_, one_ = 1, minus_infinity_ = -std::numeric_limits<float>::infinity();
  Kernel otherwise_;
  bool chosen_ = false;
  std::optional<CudnnPlan> plan_;
  std::vector<void*> pointers_;
};

// What one run of a plan takes of the whole block, where cuDNN's graphs mean what the node means.
std::optional<AttentionShape> part_of(const LocalNode& node) {
  const std::optional<AttentionShape> whole = shape_of(node);
  return whole && is_gradient(node) ? part_of(*whole) : whole;
}

const Registration<LibraryQuery> query("cudnn", [](const LocalNode& node) {
  const std::optional<AttentionShape> part = part_of(node);
  return part && plan_of(*part, is_gradient(node));
});

}  // namespace

Kernel prefer_cudnn(const LocalNode& node, const Kernel& otherwise) {
  const std::optional<AttentionShape> whole = shape_of(node), part = part_of(node);
  if (!part) return otherwise;
  const auto shared = std::make_shared<CudnnAttention>(node, *whole, *part, otherwise);
  return {[shared](const Invocation& call) { shared->run(call); }, std::max(shared->workspace(), otherwise.workspace)};
}

}  // namespace ctrain::cuda
