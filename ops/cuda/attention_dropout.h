// Which pairs of a tile of queries and keys attention's dropout keeps. The threads of a block draw them together: four
// neighbouring keys of a query share a block of random words (ops/philox.h), which are a hundred instructions.
#pragma once

#include "ops/cuda/attention_heads.h"

namespace ctrain::cuda {

template <int queries, int keys>
struct KeptPairs {
  static constexpr int group = 8, groups = keys / group;
  static_assert(keys % group == 0);

  // Of the tile that begins at these queries and keys of head n of sample b. Needs a barrier before the pairs are read.
  template <int threads>
  __device__ void draw(const AttentionHeads& heads, const DeviceMask& mask, std::uint64_t mask_key, std::int64_t b,
                       std::int64_t n, int first_query, int first_key) {
    for (int i = static_cast<int>(threadIdx.x); i < queries * groups; i += threads) {
      const int query = i / groups, key = first_key + i % groups * group;
      const std::int64_t row = heads.mask_row(b, n, first_query + query);
      bits[query][i % groups] = static_cast<std::uint8_t>(kept(heads, mask, mask_key, row, key));
    }
  }
  [[nodiscard]] __device__ bool operator()(int query, int key) const {
    return (bits[query][key / group] >> key % group & 1) != 0;
  }

  std::uint8_t bits[queries][groups];

 private:
  // One bit for each key of a group.
  __device__ static unsigned kept(const AttentionHeads& heads, const DeviceMask& mask, std::uint64_t mask_key,
                                  std::int64_t row, int key) {
    const auto logical = [&](int at) { return static_cast<std::uint64_t>(row + heads.key_s.logical(at)); };
    const std::int64_t second_run = heads.key_s.first_length;
    unsigned result = 0;
    if (key < second_run && second_run < min(key + group, heads.keys)) {
      for (int i = 0; i < group; ++i) result |= mask.keeps(random_word(mask_key, logical(key + i))) ? 1U << i : 0;
      return result;
    }
    const std::uint64_t first = logical(key);
    const auto draw_block = [&](int block) {
      const auto words = philox(mask_key, first / 4 + static_cast<std::uint64_t>(block));
#pragma unroll
      for (int i = 0; i < 4; ++i) result |= mask.keeps(words[i]) ? 1U << (4 * block + i) : 0;
    };
    draw_block(0);
    draw_block(1);
    if (first % 4 != 0) draw_block(2);
    return result >> first % 4 & 0xff;
  }
};

}  // namespace ctrain::cuda
