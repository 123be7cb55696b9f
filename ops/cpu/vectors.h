// Vectors of floats as the machine has them, on GCC's vector extensions: arithmetic and comparisons are operators, and
// `condition ? a : b` selects lane by lane.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace ctrain::cpu {

#ifdef __AVX512F__
constexpr std::int64_t vector_bytes = 64;
#else
constexpr std::int64_t vector_bytes = 32;
#endif
constexpr std::int64_t lanes = vector_bytes / 4;

using Floats [[gnu::vector_size(vector_bytes)]] = float;
using Doubles [[gnu::vector_size(vector_bytes)]] = double;
using Integers [[gnu::vector_size(vector_bytes)]] = std::int32_t;
using Words [[gnu::vector_size(vector_bytes)]] = std::uint32_t;
using LongWords [[gnu::vector_size(vector_bytes)]] = std::uint64_t;

inline Floats broadcast(float x) { return Floats{} + x; }

constexpr std::int64_t round_up(std::int64_t x, std::int64_t multiple) {
  return (x + multiple - 1) / multiple * multiple;
}

// How much of a vector a load or a store touches: all of it, or its first lanes at the end of a row.
struct Whole {};
struct First {
  std::int64_t count;
};

inline Floats load(const float* from, Whole = {}) {
  Floats x;
  std::memcpy(&x, from, sizeof(x));
  return x;
}
inline Floats load(const float* from, First first) {
  Floats x{};  // lanes that are not loaded are zero
  for (std::int64_t i = 0; i < first.count; ++i) x[i] = from[i];
  return x;
}
inline void store(float* to, Floats x, Whole = {}) { std::memcpy(to, &x, sizeof(x)); }
inline void store(float* to, Floats x, First first) {
  for (std::int64_t i = 0; i < first.count; ++i) to[i] = x[i];
}

// x with `otherwise` in the lanes that a part does not have.
inline Floats keep(Floats x, Whole, float = 0) { return x; }
inline Floats keep(Floats x, First first, float otherwise = 0) {
  for (std::int64_t i = first.count; i < lanes; ++i) x[i] = otherwise;
  return x;
}

// Calls body(i, part) for every vector of `count` elements: i is its first element; the last one may be a part.
template <typename Body>
inline void for_vectors(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(i, Whole{});
  if (i < count) body(i, First{count - i});
}

// Lane i of the result is lane i + by of x, round the end.
template <std::int32_t by, std::int32_t... lane>
inline Floats rotate(Floats x, std::integer_sequence<std::int32_t, lane...>) {
  return __builtin_shufflevector(x, x, ((lane + by) % static_cast<std::int32_t>(sizeof...(lane)))...);
}

// All lanes combined, pairwise: lane i with lane i + lanes / 2, and so on.
template <std::int32_t half = lanes / 2, typename Operation>
inline float fold(Floats x, const Operation& operation) {
  if constexpr (half == 0) {
    return x[0];
  } else {
    const Floats other = rotate<half>(x, std::make_integer_sequence<std::int32_t, lanes>());
    return fold<half / 2>(operation(x, other), operation);
  }
}
inline Floats larger(Floats x, Floats y) { return x > y ? x : y; }
inline float add_lanes(Floats x) {
  return fold(x, [](Floats a, Floats b) { return a + b; });
}
inline float max_of_lanes(Floats x) { return fold(x, larger); }

// x and y as one sequence of pairs x0 y0 x1 y1 ...: its first and its second half.
template <typename Vector>
inline Vector interleave_low(Vector x, Vector y);
template <typename Vector>
inline Vector interleave_high(Vector x, Vector y);

#ifdef __AVX512F__
inline Floats sqrt(Floats x) { return _mm512_maskz_sqrt_ps(0xffff, x); }
template <>
inline Floats interleave_low(Floats x, Floats y) {
  return __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
template <>
inline Floats interleave_high(Floats x, Floats y) {
  return __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
template <>
inline LongWords interleave_low(LongWords x, LongWords y) {
  return __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
}
template <>
inline LongWords interleave_high(LongWords x, LongWords y) {
  return __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
}
#else
inline Floats sqrt(Floats x) { return _mm256_sqrt_ps(x); }
template <>
inline Floats interleave_low(Floats x, Floats y) {
  return __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
}
template <>
inline Floats interleave_high(Floats x, Floats y) {
  return __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
}
template <>
inline LongWords interleave_low(LongWords x, LongWords y) {
  return __builtin_shufflevector(x, y, 0, 4, 1, 5);
}
template <>
inline LongWords interleave_high(LongWords x, LongWords y) {
  return __builtin_shufflevector(x, y, 2, 6, 3, 7);
}
#endif

}  // namespace ctrain::cpu
