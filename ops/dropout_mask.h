// Which elements dropout keeps. Every backend draws the same mask, bit for bit:
//
//   keep = random_uniform(random_key(seed, key, step), index) >= rate;   what is kept is multiplied by 1 / (1 - rate)
//
// where `key` is the node's attribute, `step` the number of optimizer steps done, and `index` the element's logical
// flat index, row-major with LOGICAL extents, over
//   dropout     the dimensions `over`, in the order in which the operand has them
//   attention   (b, n, query s, key s)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ops/philox.h"

namespace ctrain {

class DropoutMask {
 public:
  DropoutMask(std::uint64_t seed, std::string_view key, std::int64_t step, double rate)
      : key_(random_key(seed, key, static_cast<std::uint64_t>(step))), rate_(rate), scale_(1 / (1 - rate)) {}

  // 0 for a dropped element, 1 / (1 - rate) for a kept one. Neighbours share a drawn block of numbers.
  [[nodiscard]] double factor(std::int64_t index) {
    if (rate_ == 0) return scale_;
    if (const auto block = static_cast<std::uint64_t>(index) / 4; block != block_) {
      block_ = block;
      words_ = philox(key_, block);
    }
    return words_[static_cast<std::size_t>(index % 4)] * 0x1p-32 >= rate_ ? scale_ : 0;
  }

 private:
  std::uint64_t key_;
  double rate_, scale_;
  std::uint64_t block_ = ~std::uint64_t{0};  // whose words these are
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace ctrain
