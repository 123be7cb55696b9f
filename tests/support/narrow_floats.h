// For tests: bf16 and fp16 on the host, rounded to the nearest, ties to even. Conversions are explicit: arithmetic is
// in fp32 or fp64.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace ctrain::testing {

struct Bfloat16 {
  Bfloat16() = default;
  explicit Bfloat16(float x) {
    const auto wide = std::bit_cast<std::uint32_t>(x);
    bits = std::isnan(x) ? static_cast<std::uint16_t>(wide >> 16 | 0x40)  // not rounded up to an infinity
                         : static_cast<std::uint16_t>((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
  explicit operator double() const { return static_cast<float>(*this); }
  std::uint16_t bits;
};

struct Float16 {
  Float16() = default;
  explicit Float16(float x) : bits(std::bit_cast<std::uint16_t>(static_cast<_Float16>(x))) {}
  explicit operator float() const { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
  explicit operator double() const { return static_cast<float>(*this); }
  std::uint16_t bits;
};

}  // namespace ctrain::testing
