// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ctrain {

enum class DType : std::uint8_t { f32, f64, i32 };

constexpr std::size_t size_of(DType type) { return type == DType::f64 ? 8 : 4; }

constexpr std::string_view name_of(DType type) {
  return type == DType::f32 ? "fp32" : type == DType::f64 ? "fp64" : "int32";
}

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
