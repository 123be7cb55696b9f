// The heads of one block of attention: where they stand in memory, which pairs of query and key they see, and how they
// are cut into tiles that stay in a core's caches. The products of a tile are those of ops/cpu/tile.h.
#pragma once

#include <cmath>
#include <optional>

#include "ops/cpu/split.h"
#include "ops/cpu/tile.h"
#include "ops/cpu/vector_mask.h"
#include "ops/kernel.h"

namespace ctrain::cpu {

// Equal blocks of at most `most` tokens.
struct Blocks {
  Blocks(std::int64_t tokens, std::int64_t most)
      : count((tokens + most - 1) / most), length((tokens + count - 1) / count) {}
  std::int64_t count, length;
};

struct AttentionHeads {
  explicit AttentionHeads(const LocalNode& node)
      : batch(node.inputs[0].shape[0]),
        tokens(node.inputs[0].shape[1]),
        heads(node.inputs[0].shape[3]),
        width(node.inputs[0].shape[4]),
        padded_width(round_up(width, lanes)),
        scale(static_cast<float>(1 / std::sqrt(static_cast<double>(node.extent({'d'}))))),
        rate(node.attributes.real("rate")),
        queries(tokens, 64),
        keys(tokens, 128),
        padded_keys(round_up(keys.length, lanes)),
        causal_(node.attributes.integer("causal") != 0),
        extent_(node.extent({'s'})),
        all_heads_(node.extent({'n'})),
        b_(node.indices({'b'})),
        n_(node.indices({'n'})),
        seed_(node.seed),
        key_(node.attributes.text("key")) {}

  // Whether a block's tokens are all tokens in their order, as these kernels need.
  static bool fits(const LocalNode& node) {
    const Segments& s = node.indices({'s'});
    return s.runs[0].start == 0 && s.runs[1].length == 0 && node.inputs[0].elements() > 0;
  }

  [[nodiscard]] std::int64_t qkv_row() const { return 3 * heads * width; }
  [[nodiscard]] std::int64_t output_row() const { return heads * width; }
  // First row of part t (0: q, 1: k, 2: v) in [b, s, t, n, d], of an output in [b, s, n, d], of a statistic in [b, s,
  // n].
  [[nodiscard]] std::int64_t qkv(std::int64_t b, std::int64_t n, std::int64_t t) const {
    return b * tokens * qkv_row() + (t * heads + n) * width;
  }
  [[nodiscard]] std::int64_t output(std::int64_t b, std::int64_t n) const { return statistic(b, n) * width; }
  [[nodiscard]] std::int64_t statistic(std::int64_t b, std::int64_t n) const { return b * tokens * heads + n; }

  // A query sees the first so many keys; never fewer than the query before it.
  [[nodiscard]] std::int64_t visible(std::int64_t query) const {
    return std::min(causal_ ? query + 1 : tokens, extent_);
  }
  // Of `length` keys from `first` on, how many a query sees.
  [[nodiscard]] std::int64_t visible(std::int64_t query, std::int64_t first, std::int64_t length) const {
    return std::clamp<std::int64_t>(visible(query) - first, 0, length);
  }

  [[nodiscard]] std::optional<VectorMask> mask(std::int64_t step) const {
    return rate == 0 ? std::nullopt : std::optional<VectorMask>(std::in_place, seed_, key_, step, rate);
  }
  [[nodiscard]] std::int64_t mask_index(std::int64_t b, std::int64_t n, std::int64_t query, std::int64_t key) const {
    return ((b_.logical(b) * all_heads_ + n_.logical(n)) * extent_ + query) * extent_ + key;
  }

  // Threads share out the heads. `cost` products of a head's scores are computed.
  [[nodiscard]] Split split(std::int64_t cost) const { return Split(batch * heads, cost * tokens * tokens); }

  std::int64_t batch, tokens, heads, width, padded_width;
  float scale;
  double rate;
  Blocks queries, keys;
  std::int64_t padded_keys;

 private:
  bool causal_;
  std::int64_t extent_, all_heads_;
  Segments b_, n_;
  std::uint64_t seed_;
  std::string key_;
};

// Hands out parts of a thread's workspace, in floats from its beginning, whole vectors each.
class ScratchPlan {
 public:
  std::int64_t take(std::int64_t floats) {
    const std::int64_t at = size_;
    size_ += round_up(floats, lanes);
    return at;
  }
  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  std::int64_t size_ = 0;
};

}  // namespace ctrain::cpu
