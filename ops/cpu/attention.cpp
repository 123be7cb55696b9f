// attention (ops/definitions/attention.cpp): for each head, tiles of queries against tiles of keys, with an online
// softmax between the two products of a tile: what is kept per thread is the head's packed keys and values and one
// tile.
#include "ops/cpu/attention_heads.h"
#include "ops/cpu/functions.h"
#include "ops/cpu/rows.h"

namespace ctrain::cpu {
namespace {

// What is known of a query's softmax after some of its keys, with scores shifted by the largest.
struct RunningSoftmax {
  float largest, total;
};

// Turns the scores of `count` keys into exp(scale score - largest), zero up to `padded`. Returns what multiplies the
// sums made with the largest score of before.
float add_scores(float* scores, std::int64_t count, std::int64_t padded, float scale, RunningSoftmax& row) {
  std::fill(scores + count, scores + padded, -INFINITY);
  Floats largest = broadcast(-INFINITY);
  for (std::int64_t j = 0; j < padded; j += lanes) largest = larger(largest, load(scores + j));
  const float before = row.largest;
  row.largest = std::max(before, max_of_lanes(largest) * scale);
  Floats total{};
  for (std::int64_t j = 0; j < padded; j += lanes) {
    const Floats weight = exp(load(scores + j) * scale - row.largest);
    total += weight;
    store(scores + j, weight);
  }
  const float correction = before == -INFINITY ? 0 : std::exp(before - row.largest);
  row.total = row.total * correction + add_lanes(total);
  return correction;
}

class Forward {
 public:
  explicit Forward(const LocalNode& node)
      : heads_(node),
        split_(heads_.split(2 * heads_.width)),
        keys_(plan_.take(static_cast<std::int64_t>(heads_.keys.size()) * heads_.width * heads_.padded_keys)),
        values_(plan_.take(heads_.key_tokens * heads_.padded_width)),
        scores_(plan_.take(heads_.queries.length * heads_.padded_keys)),
        sums_(plan_.take(heads_.queries.length * heads_.padded_width)),
        rows_(plan_.take(2 * heads_.queries.length)) {}

  [[nodiscard]] std::size_t workspace() const {
    return static_cast<std::size_t>(split_.parts() * plan_.size()) * sizeof(float);
  }

  void operator()(const Invocation& call) const {
    const std::optional<VectorMask> mask = heads_.mask(call.state->step);
    split_.run([&](int part, std::int64_t begin, std::int64_t end) {
      float* scratch = static_cast<float*>(call.workspace) + part * plan_.size();
      for (std::int64_t head = begin; head < end; ++head) {
        const std::int64_t b = head / heads_.heads, n = head % heads_.heads;
        pack_head(call, b, n, scratch);
        for (std::int64_t first = 0; first < heads_.tokens; first += heads_.queries.length)
          attend(call, mask, b, n, first, std::min(heads_.queries.length, heads_.tokens - first), scratch);
      }
    });
  }

 private:
  void pack_head(const Invocation& call, std::int64_t b, std::int64_t n, float* scratch) const {
    const AttentionHeads& h = heads_;
    const float* kv = call.in<float>(h.key_operand);
    float* packed = scratch + keys_;
    for (const KeyBlock& block : h.keys) {
      pack_transposed(kv + h.key(b, n) + block.first * h.key_row(), h.key_row(), block.length, h.width, packed);
      packed += h.width * h.padded_keys;
    }
    pack(kv + h.value(b, n), h.key_row(), h.key_tokens, h.width, scratch + values_);
  }

  // The softmax of a block of queries so far, and its sums: nothing yet, or what earlier turns of a ring left.
  void begin(const Invocation& call, std::int64_t b, std::int64_t n, std::int64_t query, std::int64_t count,
             RunningSoftmax* rows, float* sums) const {
    const AttentionHeads& h = heads_;
    std::fill_n(rows, count, RunningSoftmax{-INFINITY, 0});
    std::fill_n(sums, count * h.padded_width, 0.0F);
    if (!h.accumulate) return;
    for (std::int64_t i = 0; i < count; ++i) {
      const float lse = call.out<float>(1)[h.statistic(b, n) + query + i];
      if (lse == -INFINITY) continue;
      rows[i] = {lse, 1};
      std::copy_n(call.out<float>(0) + h.output(b, n) + (query + i) * h.output_row(), h.width,
                  sums + i * h.padded_width);
    }
  }

  // `count` queries from `query` on.
  void attend(const Invocation& call, const std::optional<VectorMask>& mask, std::int64_t b, std::int64_t n,
              std::int64_t query, std::int64_t count, float* scratch) const {
    const AttentionHeads& h = heads_;
    float *scores = scratch + scores_, *sums = scratch + sums_;
    auto* rows = reinterpret_cast<RunningSoftmax*>(scratch + rows_);
    begin(call, b, n, query, count, rows, sums);
    const Factor q{call.in<float>(0) + h.query(b, n) + query * h.query_row(), h.query_row(), 1};
    const float* keys = scratch + keys_ - h.width * h.padded_keys;
    for (const KeyBlock& block : h.keys) {
      keys += h.width * h.padded_keys;
      const std::int64_t length = h.visible(query, count, block), padded = round_up(length, lanes);
      if (length == 0) continue;
      tile_product(count, padded, h.width, q, keys, round_up(block.length, lanes), scores, padded, false);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t seen = h.visible(query + i, block);
        float *row_scores = scores + i * padded, *row_sums = sums + i * h.padded_width;
        if (seen == 0) {
          std::fill_n(row_scores, padded, 0.0F);
          continue;
        }
        const bool begun = rows[i].total > 0;
        const float correction = add_scores(row_scores, seen, padded, h.scale, rows[i]);
        if (begun)
          for (std::int64_t j = 0; j < h.padded_width; j += lanes) store(row_sums + j, load(row_sums + j) * correction);
        if (mask) mask->apply(h.mask_index(b, n, query + i, block), row_scores, row_scores, seen);
      }
      const float* values = scratch + values_ + block.first * h.padded_width;
      tile_product(count, h.padded_width, length, {scores, padded, 1}, values, h.padded_width, sums, h.padded_width,
                   true);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const float* row_sums = sums + i * h.padded_width;
      float* o = call.out<float>(0) + h.output(b, n) + (query + i) * h.output_row();
      const float inverse = rows[i].total > 0 ? 1 / rows[i].total : 0;  // no key so far: a later turn brings some
      for_vectors(h.width, [&](std::int64_t j, auto part) { store(o + j, load(row_sums + j, part) * inverse, part); });
      call.out<float>(1)[h.statistic(b, n) + query + i] = rows[i].largest + std::log(rows[i].total);
    }
  }

  AttentionHeads heads_;
  Split split_;
  ScratchPlan plan_;
  std::int64_t keys_, values_;         // packed: [block, d, key] and [key, d]
  std::int64_t scores_, sums_, rows_;  // of a block of queries: [query, key], [query, d], [query]
};

Kernel attention(const LocalNode& node) {
  const Forward forward(node);
  return {forward, forward.workspace()};
}

const KernelRegistration registration(Backend::cpu, "attention", DType::f32, attention);
const KernelRegistration ring_registration(Backend::cpu, "ring_attention", DType::f32, attention);

}  // namespace
}  // namespace ctrain::cpu
