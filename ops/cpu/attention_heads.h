// The heads of one block of attention, or of one turn of a ring (parallel/tensor/ring_attention.h), where keys and
// values come as the last operand [b, s, k|v, n, d]: where they stand in memory, which pairs of query and key they see,
// and how they are cut into tiles that stay in a core's caches. The products of a tile are those of ops/cpu/tile.h.
#pragma once

#include <cmath>
#include <optional>
#include <vector>

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

// Keys first ... first + length - 1 of a block, whose logical indices ascend by one from `logical`.
struct KeyBlock {
  std::int64_t first, length, logical;
};

inline std::vector<KeyBlock> key_blocks(const Segments& keys, std::int64_t most) {
  std::vector<KeyBlock> result;
  std::int64_t first = 0;
  for (const Segments::Run& run : keys.runs) {
    if (run.length == 0) continue;
    const Blocks blocks(run.length, most);
    for (std::int64_t at = 0; at < run.length; at += blocks.length)
      result.push_back({first + at, std::min(blocks.length, run.length - at), run.start + at});
    first += run.length;
  }
  return result;
}

struct AttentionHeads {
  explicit AttentionHeads(const LocalNode& node)
      : ring(node.op.starts_with("ring_")),
        accumulate(node.accumulate),
        batch(node.inputs[0].shape[0]),
        tokens(node.inputs[0].shape[1]),
        key_tokens(ring ? node.inputs.back().shape[1] : tokens),
        key_operand(ring ? node.inputs.size() - 1 : 0),
        heads(node.inputs[0].shape[3]),
        width(node.inputs[0].shape[4]),
        padded_width(round_up(width, lanes)),
        scale(static_cast<float>(1 / std::sqrt(static_cast<double>(node.extent({'d'}))))),
        rate(node.attributes.real("rate")),
        queries(tokens, 64),
        keys(key_blocks(node.indices(ring ? Name{'s', 1} : Name{'s'}), 128)),
        causal_(node.attributes.integer("causal") != 0),
        extent_(node.extent({'s'})),
        all_heads_(node.extent({'n'})),
        b_(node.indices({'b'})),
        s_(node.indices({'s'})),
        n_(node.indices({'n'})),
        seed_(node.seed),
        key_(node.attributes.text("key")) {
    for (const KeyBlock& block : keys) longest = std::max(longest, block.length);
    padded_keys = round_up(longest, lanes);
  }

  // Distance between rows of queries, keys (and values), outputs.
  [[nodiscard]] std::int64_t query_row() const { return 3 * heads * width; }
  [[nodiscard]] std::int64_t key_row() const { return (ring ? 2 : 3) * heads * width; }
  [[nodiscard]] std::int64_t output_row() const { return heads * width; }
  // First row of a head's queries in [b, s, q|k|v, n, d], of its keys and its values where those stand, of an output in
  // [b, s, n, d], of a statistic in [b, n, s].
  [[nodiscard]] std::int64_t query(std::int64_t b, std::int64_t n) const {
    return b * tokens * query_row() + n * width;
  }
  [[nodiscard]] std::int64_t key(std::int64_t b, std::int64_t n) const {
    return b * key_tokens * key_row() + ((ring ? 0 : heads) + n) * width;
  }
  [[nodiscard]] std::int64_t value(std::int64_t b, std::int64_t n) const { return key(b, n) + heads * width; }
  [[nodiscard]] std::int64_t output(std::int64_t b, std::int64_t n) const {
    return b * tokens * output_row() + n * width;
  }
  [[nodiscard]] std::int64_t statistic(std::int64_t b, std::int64_t n) const { return (b * heads + n) * tokens; }

  // A query sees the first so many keys of a block.
  [[nodiscard]] std::int64_t visible(std::int64_t query, const KeyBlock& block) const {
    const std::int64_t end = causal_ ? std::min(s_.logical(query) + 1, extent_) : extent_;
    return std::clamp<std::int64_t>(end - block.logical, 0, block.length);
  }
  // What at least one of `count` queries sees; they need not stand in order.
  [[nodiscard]] std::int64_t visible(std::int64_t query, std::int64_t count, const KeyBlock& block) const {
    std::int64_t most = 0;
    for (std::int64_t i = 0; i < count; ++i) most = std::max(most, visible(query + i, block));
    return most;
  }

  [[nodiscard]] std::optional<VectorMask> mask(std::int64_t step) const {
    return rate == 0 ? std::nullopt : std::optional<VectorMask>(std::in_place, seed_, key_, step, rate);
  }
  // Of the pair of a query and a block's first key.
  [[nodiscard]] std::int64_t mask_index(std::int64_t b, std::int64_t n, std::int64_t query,
                                        const KeyBlock& block) const {
    return ((b_.logical(b) * all_heads_ + n_.logical(n)) * extent_ + s_.logical(query)) * extent_ + block.logical;
  }

  // Threads share out the heads. `cost` products of a head's scores are computed.
  [[nodiscard]] Split split(std::int64_t cost) const { return Split(batch * heads, cost * tokens * key_tokens); }

  bool ring, accumulate;
  std::int64_t batch, tokens, key_tokens;
  std::size_t key_operand;  // which one holds keys and values
  std::int64_t heads, width, padded_width;
  float scale;
  double rate;
  Blocks queries;
  std::vector<KeyBlock> keys;
  std::int64_t longest = 0, padded_keys = 0;  // block of keys

 private:
  bool causal_;
  std::int64_t extent_, all_heads_;
  Segments b_, s_, n_;
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
