// attention, attention_grad (ops/definitions/attention.cpp), one query at a time. Keys at or beyond the extent of s are
// padding and never attended to; causal masks and dropout go by logical indices.
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
      : batch(node.inputs[0].shape[0]),
        tokens(node.inputs[0].shape[1]),
        heads(node.inputs[0].shape[3]),
        width(node.inputs[0].shape[4]),
        scale(1 / std::sqrt(static_cast<double>(node.extent({'d'})))),
        causal_(node.attributes.integer("causal") != 0),
        extent_(node.extent({'s'})),
        all_heads_(node.extent({'n'})),
        b_(node.indices({'b'})),
        s_(node.indices({'s'})),
        n_(node.indices({'n'})),
        seed_(node.seed),
        key_(node.attributes.text("key")),
        rate_(node.attributes.real("rate")) {}

  // Offsets of the d elements of part t (0: q, 1: k, 2: v) in [b, s, t, n, d], of an output in [b, s, n, d] and of a
  // statistic in [b, s, n].
  [[nodiscard]] std::int64_t packed(std::int64_t b, std::int64_t s, std::int64_t t, std::int64_t n) const {
    return (((b * tokens + s) * 3 + t) * heads + n) * width;
  }
  [[nodiscard]] std::int64_t row(std::int64_t b, std::int64_t s, std::int64_t n) const {
    return (b * tokens + s) * heads + n;
  }

  [[nodiscard]] bool sees(std::int64_t query, std::int64_t key) const {
    const std::int64_t at = s_.logical(key);
    return at < extent_ && (!causal_ || at <= s_.logical(query));
  }
  [[nodiscard]] DropoutMask mask(std::int64_t step) const { return {seed_, key_, step, rate_}; }
  [[nodiscard]] std::int64_t mask_index(std::int64_t b, std::int64_t n, std::int64_t query, std::int64_t key) const {
    const std::int64_t matrix = b_.logical(b) * all_heads_ + n_.logical(n);
    return (matrix * extent_ + s_.logical(query)) * extent_ + s_.logical(key);
  }

  std::int64_t batch, tokens, heads, width;
  double scale;

 private:
  bool causal_;
  std::int64_t extent_, all_heads_;
  Segments b_, s_, n_;
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
    const T* qkv = call.in<T>(0);
    auto* scores = static_cast<double*>(call.workspace);
    double* sums = scores + heads.tokens;
    const DropoutMask mask = heads.mask(call.state->step);
    for (std::int64_t b = 0; b < heads.batch; ++b)
      for (std::int64_t n = 0; n < heads.heads; ++n)
        for (std::int64_t query = 0; query < heads.tokens; ++query) {
          double largest = -INFINITY, total = 0;
          for (std::int64_t key = 0; key < heads.tokens; ++key) {
            if (!heads.sees(query, key)) continue;
            const double product =
                dot(qkv + heads.packed(b, query, 0, n), qkv + heads.packed(b, key, 1, n), heads.width);
            scores[key] = product * heads.scale;
            largest = std::max(largest, scores[key]);
          }
          std::fill_n(sums, heads.width, 0.0);
          for (std::int64_t key = 0; key < heads.tokens; ++key) {
            if (!heads.sees(query, key)) continue;
            const double weight = std::exp(scores[key] - largest);
            total += weight;
            add_scaled(weight * mask.factor(heads.mask_index(b, n, query, key)), qkv + heads.packed(b, key, 2, n),
                       heads.width, sums);
          }
          const std::int64_t row = heads.row(b, query, n);
          for (std::int64_t d = 0; d < heads.width; ++d)
            call.out<T>(0)[row * heads.width + d] = static_cast<T>(sums[d] / total);
          call.out<T>(1)[row] = static_cast<T>(largest + std::log(total));
        }
  };
  return {run, static_cast<std::size_t>(heads.tokens + heads.width) * sizeof(double)};
}

// qkv, o, lse, do -> dqkv.  With P the probabilities, K the dropout factors and ∘ elementwise:
//   dv = (P∘K)ᵀ do    dP = K∘(do vᵀ)    dS = P∘(dP - Σ_d do o)    dq = dS k / sqrt(D)    dk = dSᵀ q / sqrt(D)
template <typename T>
Kernel attention_grad(const LocalNode& node) {
  const Heads heads(node);
  const std::int64_t block = heads.tokens * heads.width;
  const auto run = [=](const Invocation& call) {
    const T *qkv = call.in<T>(0), *o = call.in<T>(1), *lse = call.in<T>(2), *d_o = call.in<T>(3);
    auto* gradients = static_cast<double*>(call.workspace);  // [t, s, d] of one head
    const DropoutMask mask = heads.mask(call.state->step);
    for (std::int64_t b = 0; b < heads.batch; ++b)
      for (std::int64_t n = 0; n < heads.heads; ++n) {
        std::fill_n(gradients, 3 * block, 0.0);
        for (std::int64_t query = 0; query < heads.tokens; ++query) {
          const std::int64_t row = heads.row(b, query, n);
          const T *q = qkv + heads.packed(b, query, 0, n), *d_row = d_o + row * heads.width;
          const double delta = dot(d_row, o + row * heads.width, heads.width);
          for (std::int64_t key = 0; key < heads.tokens; ++key) {
            if (!heads.sees(query, key)) continue;
            const T *k = qkv + heads.packed(b, key, 1, n), *v = qkv + heads.packed(b, key, 2, n);
            const double probability = std::exp(dot(q, k, heads.width) * heads.scale - lse[row]);
            const double factor = mask.factor(heads.mask_index(b, n, query, key));
            const double d_score = probability * (factor * dot(d_row, v, heads.width) - delta) * heads.scale;
            add_scaled(d_score, k, heads.width, gradients + query * heads.width);
            add_scaled(d_score, q, heads.width, gradients + block + key * heads.width);
            add_scaled(probability * factor, d_row, heads.width, gradients + 2 * block + key * heads.width);
          }
        }
        for (std::int64_t t = 0; t < 3; ++t)
          for (std::int64_t s = 0; s < heads.tokens; ++s)
            for (std::int64_t d = 0; d < heads.width; ++d)
              call.out<T>()[heads.packed(b, s, t, n) + d] = static_cast<T>(gradients[t * block + s * heads.width + d]);
      }
  };
  return {run, static_cast<std::size_t>(3 * block) * sizeof(double)};
}

const ReferenceKernel attention_kernel("attention", attention<float>, attention<double>);
const ReferenceKernel attention_grad_kernel("attention_grad", attention_grad<float>, attention_grad<double>);

}  // namespace
}  // namespace ctrain::reference
