// bf16 and fp16 as the host stores them. They are for storage: an operand becomes a float where it is read, and a
// result is rounded where it is written, to the nearest, ties to even.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

#include "ops/dtype.h"

namespace ctrain {

template <typename T>
concept Number = std::integral<T> || std::floating_point<T>;

struct Bfloat16 {
  Bfloat16() = default;
  Bfloat16(Number auto number) {  // NOLINT: as between float and double
    const auto x = static_cast<float>(number);
    const auto wide = std::bit_cast<std::uint32_t>(x);
    bits = std::isnan(x) ? static_cast<std::uint16_t>(wide >> 16 | 0x40)  // not rounded up to an infinity
                         : static_cast<std::uint16_t>((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }  // NOLINT: as above
  std::uint16_t bits;
};

struct Float16 {
  Float16() = default;
  Float16(Number auto number) : bits(std::bit_cast<std::uint16_t>(static_cast<_Float16>(number))) {}  // NOLINT
  operator float() const { return static_cast<float>(std::bit_cast<_Float16>(bits)); }                // NOLINT
  std::uint16_t bits;
};

template <>
constexpr DType dtype_of<Bfloat16>() {
  return DType::bf16;
}
template <>
constexpr DType dtype_of<Float16>() {
  return DType::f16;
}

// The type that goes with activations of type T: of parameters, statistics and sums.
template <typename T>
struct WideOf {
  using type = T;
};
template <>
struct WideOf<Bfloat16> {
  using type = float;
};
template <>
struct WideOf<Float16> {
  using type = float;
};
template <typename T>
using Wide = typename WideOf<T>::type;

// Calls work(T{}) with the type in which a number of an element type is stored.
template <typename Work>
auto with_type(DType dtype, const Work& work) {
  switch (dtype) {
    case DType::f64:
      return work(double{});
    case DType::i32:
      return work(std::int32_t{});
    case DType::bf16:
      return work(Bfloat16{});
    case DType::f16:
      return work(Float16{});
    case DType::f32:
      break;
  }
  return work(float{});
}

}  // namespace ctrain
