// attention, attention_grad (ops/definitions/attention.cpp), one query at a time. Keys at or beyond the extent of s are
// padding and never attended to; causal masks and dropout go by logical indices. ring_attention and ring_attention_grad
// are one turn of the ring (parallel/tensor/ring_attention.h): keys and values come as the last operand, [b, s, k|v, n,
// d], and the results of later turns are added to those of earlier ones.
#include <algorithm>
#include <cmath>

#include "ops/dropout_mask.h"
#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

// The shape of one block of attention and the rules for its (query, key) pairs.
class Heads {
 public:
  explicit Heads(const LocalNode& node)
      : ring(node.op.starts_with("ring_")),
        accumulate(node.accumulate),
        batch(node.inputs[0].shape[0]),
        tokens(node.inputs[0].shape[1]),
        keys(ring ? node.inputs.back().shape[1] : tokens),
        key_operand(ring ? node.inputs.size() - 1 : 0),
        heads(node.inputs[0].shape[3]),
        width(node.inputs[0].shape[4]),
        scale(1 / std::sqrt(static_cast<double>(node.extent({'d'})))),
        causal_(node.attributes.integer("causal") != 0),
        extent_(node.extent({'s'})),
        all_heads_(node.extent({'n'})),
        b_(node.indices({'b'})),
        s_(node.indices({'s'})),
        key_s_(ring ? node.indices({'s', 1}) : s_),
        n_(node.indices({'n'})),
        seed_(node.seed),
        key_(node.attributes.text("key")),
        rate_(node.attributes.real("rate")) {}

  // Offsets of the d elements of a query in [b, s, q|k|v, n, d], of a key or value where those stand, of an output in
  // [b, s, n, d] and of a statistic in [b, n, s].
  [[nodiscard]] std::int64_t query(std::int64_t b, std::int64_t s, std::int64_t n) const {
    return ((b * tokens + s) * 3 * heads + n) * width;
  }
  [[nodiscard]] std::int64_t key(std::int64_t b, std::int64_t s, std::int64_t n) const {
    return ring ? ((b * keys + s) * 2 * heads + n) * width : query(b, s, n) + heads * width;
  }
  [[nodiscard]] std::int64_t value(std::int64_t b, std::int64_t s, std::int64_t n) const {
    return key(b, s, n) + heads * width;
  }
  [[nodiscard]] std::int64_t output(std::int64_t b, std::int64_t s, std::int64_t n) const {
    return ((b * tokens + s) * heads + n) * width;
  }
  [[nodiscard]] std::int64_t statistic(std::int64_t b, std::int64_t n, std::int64_t s) const {
    return (b * heads + n) * tokens + s;
  }

  [[nodiscard]] bool sees(std::int64_t query, std::int64_t key) const {
    const std::int64_t at = key_s_.logical(key);
    return at < extent_ && (!causal_ || at <= s_.logical(query));
  }
  [[nodiscard]] DropoutMask mask(std::int64_t step) const { return {seed_, key_, step, rate_}; }
  [[nodiscard]] std::int64_t mask_index(std::int64_t b, std::int64_t n, std::int64_t query, std::int64_t key) const {
    const std::int64_t matrix = b_.logical(b) * all_heads_ + n_.logical(n);
    return (matrix * extent_ + s_.logical(query)) * extent_ + key_s_.logical(key);
  }

  bool ring, accumulate;
  std::int64_t batch, tokens, keys;
  std::size_t key_operand;  // which one holds keys and values
  std::int64_t heads, width;
  double scale;

 private:
  bool causal_;
  std::int64_t extent_, all_heads_;
  Segments b_, s_, key_s_, n_;
  std::uint64_t seed_;
  std::string key_;
  double rate_;
};

template <typename T>
double dot(const T* x, const T* y, std::int64_t width) {
  double total = 0;
  for (std::int64_t i = 0; i < width; ++i) total += static_cast<double>(x[i]) * y[i];
  return total;
}

template <typename T>
void add_scaled(double factor, const T* x, std::int64_t width, double* y) {
  for (std::int64_t i = 0; i < width; ++i) y[i] += factor * x[i];
}

template <typename T>
Kernel attention(const LocalNode& node) {
  const Heads heads(node);
  const auto run = [=](const Invocation& call) {
    const T *q = call.in<T>(0), *kv = call.in<T>(heads.key_operand);
    T* o = call.out<T>(0);
    auto* lse = call.out<Wide<T>>(1);
    auto* scores = static_cast<double*>(call.workspace);
    double* sums = scores + heads.keys;
    DropoutMask mask = heads.mask(call.state->step);
    for (std::int64_t b = 0; b < heads.batch; ++b)
      for (std::int64_t n = 0; n < heads.heads; ++n)
        for (std::int64_t query = 0; query < heads.tokens; ++query) {
          auto& row_lse = lse[heads.statistic(b, n, query)];
          T* row = o + heads.output(b, query, n);
          const double before = heads.accumulate ? static_cast<double>(row_lse) : -INFINITY;
          double largest = before;
          for (std::int64_t key = 0; key < heads.keys; ++key) {
            if (!heads.sees(query, key)) continue;
            scores[key] = dot(q + heads.query(b, query, n), kv + heads.key(b, key, n), heads.width) * heads.scale;
            largest = std::max(largest, scores[key]);
          }
          double total = before == -INFINITY ? 0 : std::exp(before - largest);
          std::fill_n(sums, heads.width, 0.0);
          if (total > 0) add_scaled(total, row, heads.width, sums);
          for (std::int64_t key = 0; key < heads.keys; ++key) {
            if (!heads.sees(query, key)) continue;
            const double weight = std::exp(scores[key] - largest);
            total += weight;
            add_scaled(weight * mask.factor(heads.mask_index(b, n, query, key)), kv + heads.value(b, key, n),
                       heads.width, sums);
          }
          const double inverse = total > 0 ? 1 / total : 0;  // no key seen so far: a later turn of the ring brings some
          for (std::int64_t d = 0; d < heads.width; ++d) row[d] = static_cast<T>(sums[d] * inverse);
          row_lse = static_cast<Wide<T>>(largest + std::log(total));
        }
  };
  return {run, static_cast<std::size_t>(heads.keys + heads.width) * sizeof(double)};
}

// qkv, o, lse, do -> dqkv.  With P the probabilities, K the dropout factors and ∘ elementwise:
//   dv = (P∘K)ᵀ do    dP = K∘(do vᵀ)    dS = P∘(dP - Σ_d do o)    dq = dS k / sqrt(D)    dk = dSᵀ q / sqrt(D)
template <typename T>
Kernel attention_grad(const LocalNode& node) {
  const Heads heads(node);
  const std::int64_t queries = heads.tokens * heads.width, keys = heads.keys * heads.width;
  const auto run = [=](const Invocation& call) {
    const T *qkv = call.in<T>(0), *kv = call.in<T>(heads.key_operand);
    const T *o = call.in<T>(1), *d_o = call.in<T>(3);
    const auto* lse = call.in<Wide<T>>(2);
    auto* dq = static_cast<double*>(call.workspace);  // [s, d] of one head
    double *dk = dq + queries, *dv = dk + keys;
    const auto write = [&](const double* gradient, T* to) {
      for (std::int64_t d = 0; d < heads.width; ++d)
        to[d] = static_cast<T>(gradient[d] + (heads.accumulate ? static_cast<double>(to[d]) : 0));
    };
    DropoutMask mask = heads.mask(call.state->step);
    for (std::int64_t b = 0; b < heads.batch; ++b)
      for (std::int64_t n = 0; n < heads.heads; ++n) {
        std::fill_n(dq, queries + 2 * keys, 0.0);
        for (std::int64_t query = 0; query < heads.tokens; ++query) {
          const T *q = qkv + heads.query(b, query, n), *d_row = d_o + heads.output(b, query, n);
          const double delta = dot(d_row, o + heads.output(b, query, n), heads.width);
          const double row_lse = lse[heads.statistic(b, n, query)];
          for (std::int64_t key = 0; key < heads.keys; ++key) {
            if (!heads.sees(query, key)) continue;
            const T *k = kv + heads.key(b, key, n), *v = kv + heads.value(b, key, n);
            const double probability = std::exp(dot(q, k, heads.width) * heads.scale - row_lse);
            const double factor = mask.factor(heads.mask_index(b, n, query, key));
            const double d_score = probability * (factor * dot(d_row, v, heads.width) - delta) * heads.scale;
            add_scaled(d_score, k, heads.width, dq + query * heads.width);
            add_scaled(d_score, q, heads.width, dk + key * heads.width);
            add_scaled(probability * factor, d_row, heads.width, dv + key * heads.width);
          }
        }
        T* dkv = call.out<T>(heads.ring ? 1 : 0);
        for (std::int64_t s = 0; s < heads.tokens; ++s)
          write(dq + s * heads.width, call.out<T>() + heads.query(b, s, n));
        for (std::int64_t s = 0; s < heads.keys; ++s) {
          write(dk + s * heads.width, dkv + heads.key(b, s, n));
          write(dv + s * heads.width, dkv + heads.value(b, s, n));
        }
      }
  };
  return {run, static_cast<std::size_t>(queries + 2 * keys) * sizeof(double)};
}

const ReferenceKernel attention_kernel("attention", []<typename T>() { return attention<T>; });
const ReferenceKernel ring_kernel("ring_attention", []<typename T>() { return attention<T>; });
const ReferenceKernel ring_grad_kernel("ring_attention_grad", []<typename T>() { return attention_grad<T>; });
const ReferenceKernel attention_grad_kernel("attention_grad", []<typename T>() { return attention_grad<T>; });

}  // namespace
}  // namespace ctrain::reference
