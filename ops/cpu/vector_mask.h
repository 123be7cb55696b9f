// The dropout mask of ops/dropout_mask.h, a vector at a time and bit for bit the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ops/cpu/vectors.h"
#include "ops/philox.h"

namespace ctrain::cpu {

class VectorMask {
 public:
  // 0 < rate < 1
  VectorMask(std::uint64_t seed, std::string_view key, std::int64_t step, double rate)
      : key_(random_key(seed, key, static_cast<std::uint64_t>(step))),
        dropped_(static_cast<std::uint32_t>(std::ceil(rate * 0x1p32) - 1)),
        scale_(static_cast<float>(1 / (1 - rate))) {}

  // y[i] = x[i] times the mask's factor at the logical index `index + i`; x and y may be the same.
  void apply(std::int64_t index, const float* x, float* y, std::int64_t count) const {
    std::int64_t at = -(index % 4);  // the element that the next block's first word decides
    auto block = static_cast<std::uint64_t>(index / 4);
    for (; at < count; block += blocks) {
      Words words[2];
      draw(block, words);
      for (int half = 0; half < 2; ++half, at += lanes) {
        if (at >= 0 && at + lanes <= count) {
          store(y + at, words[half] > dropped_ ? load(x + at) * scale_ : Floats{});
          continue;
        }
        const std::int64_t end = std::min(lanes, count - at);
        for (std::int64_t lane = std::max<std::int64_t>(0, -at); lane < end; ++lane)
          y[at + lane] = words[half][lane] > dropped_ ? x[at + lane] * scale_ : 0;
      }
    }
  }

 private:
  static constexpr std::uint64_t blocks = lanes / 2;  // of four words each, drawn at once

  // philox() of ops/philox.h on `blocks` consecutive counters, its 32-bit words in 64-bit lanes so that products fit.
  void draw(std::uint64_t first, Words words[2]) const {
    LongWords counter;
    for (std::uint64_t i = 0; i < blocks; ++i) counter[i] = first + i;
    LongWords x0 = counter & low, x1 = counter >> 32, x2{}, x3{};
    std::uint64_t k0 = key_ & low, k1 = key_ >> 32;
    for (int round = 0; round < 10; ++round) {
      const LongWords a = x0 * 0xD2511F53U, b = x2 * 0xCD9E8D57U;
      x0 = (b >> 32) ^ x1 ^ k0;
      x1 = b & low;
      x2 = (a >> 32) ^ x3 ^ k1;
      x3 = a & low;
      k0 = (k0 + 0x9E3779B9U) & low;
      k1 = (k1 + 0xBB67AE85U) & low;
    }
    const LongWords front = x0 | (x1 << 32), back = x2 | (x3 << 32);
    words[0] = reinterpret_cast<Words>(interleave_low(front, back));
    words[1] = reinterpret_cast<Words>(interleave_high(front, back));
  }

  static constexpr std::uint64_t low = 0xffffffffU;

  std::uint64_t key_;
  std::uint32_t dropped_;  // the largest word that drops: word / 2^32 < rate
  float scale_;
};

}  // namespace ctrain::cpu
