// Memory accesses of 16 bytes a thread, which the memory system likes best.
#pragma once

#include <bit>
#include <type_traits>

#include "ops/cuda/launch.h"

namespace ctrain::cuda {

// Elements of an access of 16 bytes.
template <typename T>
constexpr int vector_width = 16 / static_cast<int>(sizeof(T));

// n neighbours, at an address that is a multiple of their size (or of 16). Those of 16 bits stand in pairs, as they do
// in registers: by itself each would take a register.
template <typename T, int n>
struct alignas(sizeof(T) * n < 16 ? sizeof(T) * n : 16) Vector {
  static constexpr int each = sizeof(T) == 2 && n % 2 == 0 ? 2 : 1;  // elements of a word
  using Word = std::conditional_t<each == 2, std::uint32_t, T>;

  __device__ void unpack(float (&to)[n]) const {
#pragma unroll
    for (int k = 0; k < n; ++k) {
      if constexpr (each == 2)
        to[k] = to_float(std::bit_cast<T>(static_cast<std::uint16_t>(words[k / 2] >> k % 2 * 16)));
      else
        to[k] = to_float(words[k]);
    }
  }
  Word words[n / each];
};

template <int n, typename T>
__device__ Vector<T, n> load(const T* from) {
  return *reinterpret_cast<const Vector<T, n>*>(from);
}

template <int n, typename T>
__device__ void load(const T* from, float (&to)[n]) {
  load<n>(from).unpack(to);
}

template <typename T, int n>
__device__ Vector<T, n> packed(const float (&from)[n]) {
  Vector<T, n> result;
#pragma unroll
  for (int k = 0; k < n; ++k) {
    if constexpr (result.each == 1) {
      result.words[k] = from_float<T>(from[k]);
    } else {
      const std::uint32_t bits = std::bit_cast<std::uint16_t>(from_float<T>(from[k]));
      result.words[k / 2] = k % 2 == 0 ? bits : result.words[k / 2] | bits << 16;
    }
  }
  return result;
}

template <int n, typename T>
__device__ void store(T* to, const Vector<T, n>& from) {
  *reinterpret_cast<Vector<T, n>*>(to) = from;
}

template <int n, typename T>
__device__ void store(T* to, const float (&from)[n]) {
  store(to, packed<T>(from));
}

}  // namespace ctrain::cuda
