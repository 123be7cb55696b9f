// Which elements dropout keeps. Every backend draws the same mask, bit for bit:
//
//   keep = random_uniform(random_key(seed, key, step), index) >= rate;   what is kept is multiplied by 1 / (1 - rate)
//
// where `key` is the node's attribute, `step` the number of optimizer steps done, and `index` the element's logical
// flat index, row-major with LOGICAL extents, over
//   dropout     the dimensions `over`, in the order in which the operand has them
//   attention   (b, n, query s, key s)
#pragma once

#include <cstdint>
#include <string_view>

#include "ops/philox.h"

namespace ctrain {

class DropoutMask {
 public:
  DropoutMask(std::uint64_t seed, std::string_view key, std::int64_t step, double rate)
      : key_(random_key(seed, key, static_cast<std::uint64_t>(step))), rate_(rate), scale_(1 / (1 - rate)) {}

  // 0 for a dropped element, 1 / (1 - rate) for a kept one.
  [[nodiscard]] double factor(std::int64_t index) const {
    return rate_ == 0 || random_uniform(key_, static_cast<std::uint64_t>(index)) >= rate_ ? scale_ : 0;
  }

 private:
  std::uint64_t key_;
  double rate_, scale_;
};

}  // namespace ctrain
