// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ctrain {

enum class DType : std::uint8_t { f32, f64, i32, bf16, f16 };

constexpr std::size_t size_of(DType type) {
  return type == DType::f64 ? 8 : type == DType::bf16 || type == DType::f16 ? 2 : 4;
}
constexpr bool is_real(DType type) { return type != DType::i32; }

constexpr std::string_view name_of(DType type) {
  constexpr std::string_view names[] = {"fp32", "fp64", "int32", "bf16", "fp16"};
  return names[static_cast<std::size_t>(type)];
}

// The other way; a name of no real type is an error.
[[nodiscard]] DType real_type(std::string_view name);

template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::i32;
}

}  // namespace ctrain
