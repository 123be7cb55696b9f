// attention_grad (ops/definitions/attention.cpp): qkv, o, lse, do -> dqkv. For each head, tiles of keys against tiles
// of queries; the probabilities are computed again from the row statistics. With K the dropout factors, ∘ elementwise:
//   P = exp(q kᵀ / sqrt(D) - lse)    dv = (P∘K)ᵀ do    dS = P∘(K∘(do vᵀ) - Σ_d do o) / sqrt(D)    dq = dS k
//   dk = dSᵀ q
#include "ops/cpu/attention_heads.h"
#include "ops/cpu/functions.h"
#include "ops/cpu/rows.h"

namespace ctrain::cpu {
namespace {

class Backward {
 public:
  explicit Backward(const LocalNode& node)
      : heads_(node),
        split_(heads_.split(5 * heads_.width)),
        q_(plan_.take(heads_.tokens * heads_.padded_width)),
        do_(plan_.take(heads_.tokens * heads_.padded_width)),
        dq_(plan_.take(heads_.tokens * heads_.padded_width)),
        delta_(plan_.take(heads_.tokens)),
        k_(plan_.take(heads_.longest * heads_.padded_width)),
        transposed_k_(plan_.take(heads_.width * heads_.padded_keys)),
        transposed_v_(plan_.take(heads_.width * heads_.padded_keys)),
        dk_(plan_.take(heads_.longest * heads_.padded_width)),
        dv_(plan_.take(heads_.longest * heads_.padded_width)),
        p_(plan_.take(heads_.queries.length * heads_.padded_keys)),
        ds_(plan_.take(heads_.queries.length * heads_.padded_keys)) {}

  [[nodiscard]] std::size_t workspace() const {
    return static_cast<std::size_t>(split_.parts() * plan_.size()) * sizeof(float);
  }

  void operator()(const Invocation& call) const {
    const std::optional<VectorMask> mask = heads_.mask(call.state->step);
    split_.run([&](int part, std::int64_t begin, std::int64_t end) {
      float* scratch = static_cast<float*>(call.workspace) + part * plan_.size();
      for (std::int64_t head = begin; head < end; ++head) {
        const std::int64_t b = head / heads_.heads, n = head % heads_.heads;
        pack_queries(call, b, n, scratch);
        for (const KeyBlock& block : heads_.keys) keys_gradient(call, mask, b, n, block, scratch);
        unpack(scratch + dq_, heads_.tokens, call.out<float>() + heads_.query(b, n), heads_.query_row());
      }
    });
  }

 private:
  void pack_queries(const Invocation& call, std::int64_t b, std::int64_t n, float* scratch) const {
    const AttentionHeads& h = heads_;
    pack(call.in<float>(0) + h.query(b, n), h.query_row(), h.tokens, h.width, scratch + q_);
    pack(call.in<float>(3) + h.output(b, n), h.output_row(), h.tokens, h.width, scratch + do_);
    std::fill_n(scratch + dq_, h.tokens * h.padded_width, 0.0F);
    const float* o = call.in<float>(1) + h.output(b, n);
    for (std::int64_t i = 0; i < h.tokens; ++i) {
      const float *o_row = o + i * h.output_row(), *do_row = scratch + do_ + i * h.padded_width;
      Floats total{};
      for_vectors(h.width, [&](std::int64_t j, auto part) { total += load(o_row + j, part) * load(do_row + j, part); });
      scratch[delta_ + i] = add_lanes(total);
    }
  }

  // The first `width` columns of `count` packed rows, to where the gradient stands; added there in later turns of a
  // ring.
  void unpack(const float* from, std::int64_t count, float* to, std::int64_t to_row) const {
    for (std::int64_t i = 0; i < count; ++i, from += heads_.padded_width, to += to_row)
      for_vectors(heads_.width, [&](std::int64_t j, auto part) {
        const Floats gradient = load(from + j, part);
        store(to + j, heads_.accumulate ? load(to + j, part) + gradient : gradient, part);
      });
  }

  // dk and dv of a block of keys, and their part of dq.
  void keys_gradient(const Invocation& call, const std::optional<VectorMask>& mask, std::int64_t b, std::int64_t n,
                     const KeyBlock& block, float* scratch) const {
    const AttentionHeads& h = heads_;
    const std::int64_t row = h.key_row(), at_k = h.key(b, n) + block.first * row;
    const std::int64_t at_v = h.value(b, n) + block.first * row, count = block.length;
    const float* kv = call.in<float>(h.key_operand);
    pack(kv + at_k, row, count, h.width, scratch + k_);
    pack_transposed(kv + at_k, row, count, h.width, scratch + transposed_k_);
    pack_transposed(kv + at_v, row, count, h.width, scratch + transposed_v_);
    std::fill_n(scratch + dk_, count * h.padded_width, 0.0F);
    std::fill_n(scratch + dv_, count * h.padded_width, 0.0F);
    for (std::int64_t query = 0; query < h.tokens; query += h.queries.length) {
      const std::int64_t queries = std::min(h.queries.length, h.tokens - query);
      if (h.visible(query, queries, block) > 0) tile_gradient(call, mask, b, n, query, queries, block, scratch);
    }
    float* gradients = call.out<float>(h.ring ? 1 : 0);
    unpack(scratch + dk_, count, gradients + at_k, row);
    unpack(scratch + dv_, count, gradients + at_v, row);
  }

  void tile_gradient(const Invocation& call, const std::optional<VectorMask>& mask, std::int64_t b, std::int64_t n,
                     std::int64_t query, std::int64_t queries, const KeyBlock& block, float* scratch) const {
    const AttentionHeads& h = heads_;
    const std::int64_t keys = block.length;
    const std::int64_t padded = round_up(keys, lanes), row = h.padded_width;
    const float *q = scratch + q_ + query * row, *d_o = scratch + do_ + query * row;
    float *p = scratch + p_, *ds = scratch + ds_;
    tile_product(queries, padded, h.width, {q, row, 1}, scratch + transposed_k_, padded, p, padded, false);
    tile_product(queries, padded, h.width, {d_o, row, 1}, scratch + transposed_v_, padded, ds, padded, false);
    const float* lse = call.in<float>(2) + h.statistic(b, n);
    for (std::int64_t i = 0; i < queries; ++i) {
      float *p_row = p + i * padded, *ds_row = ds + i * padded;
      const std::int64_t seen = h.visible(query + i, block), index = h.mask_index(b, n, query + i, block);
      std::fill(p_row + seen, p_row + padded, -INFINITY);
      if (mask) mask->apply(index, ds_row, ds_row, seen);
      const float row_lse = lse[query + i], delta = scratch[delta_ + query + i];
      for (std::int64_t j = 0; j < padded; j += lanes) {
        const Floats probability = exp(load(p_row + j) * h.scale - row_lse);
        store(p_row + j, probability);
        store(ds_row + j, probability * (load(ds_row + j) - delta) * h.scale);
      }
      if (mask) mask->apply(index, p_row, p_row, seen);
    }
    tile_product(keys, row, queries, {p, 1, padded}, d_o, row, scratch + dv_, row, true);
    tile_product(keys, row, queries, {ds, 1, padded}, q, row, scratch + dk_, row, true);
    tile_product(queries, row, keys, {ds, padded, 1}, scratch + k_, row, scratch + dq_ + query * row, row, true);
  }

  AttentionHeads heads_;
  Split split_;
  ScratchPlan plan_;
  std::int64_t q_, do_, dq_, delta_;                        // of a head: [query, d], [query]
  std::int64_t k_, transposed_k_, transposed_v_, dk_, dv_;  // of a block of keys: [key, d], [d, key]
  std::int64_t p_, ds_;                                     // of a tile: [query, key]
};

Kernel attention_grad(const LocalNode& node) {
  const Backward backward(node);
  return {backward, backward.workspace()};
}

const KernelRegistration registration(Backend::cpu, "attention_grad", DType::f32, attention_grad);
const KernelRegistration ring_registration(Backend::cpu, "ring_attention_grad", DType::f32, attention_grad);

}  // namespace
}  // namespace ctrain::cpu
