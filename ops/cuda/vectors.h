// Memory accesses of 16 bytes a thread, which the memory system likes best.
#pragma once

#include <bit>

#include "ops/cuda/launch.h"

namespace ctrain::cuda {

// Elements of an access of 16 bytes.
template <typename T>
constexpr int vector_width = 16 / static_cast<int>(sizeof(T));

// n neighbours, at an address that is a multiple of their size (or of 16).
template <typename T, int n>
struct alignas(sizeof(T) * n < 16 ? sizeof(T) * n : 16) Vector {
  __device__ void unpack(float (&to)[n]) const {
#pragma unroll
    for (int k = 0; k < n; ++k) to[k] = to_float(elements[k]);
  }
  T elements[n];
};

template <int n, typename T>
__device__ Vector<T, n> load(const T* from) {
  return *reinterpret_cast<const Vector<T, n>*>(from);
}

template <int n, typename T>
__device__ void load(const T* from, float (&to)[n]) {
  load<n>(from).unpack(to);
}

// Pieces of 16 bytes are put together out of words: out of elements, the compiler may store them in smaller ones.
template <int n, typename T>
__device__ void store(T* to, const float (&from)[n]) {
  constexpr int of_word = 4 / static_cast<int>(sizeof(T)), of_piece = vector_width<T>;
  if constexpr (n % of_piece == 0) {
#pragma unroll
    for (int piece = 0; piece < n; piece += of_piece) {
      unsigned words[4];
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        Vector<T, of_word> word;
#pragma unroll
        for (int k = 0; k < of_word; ++k) word.elements[k] = from_float<T>(from[piece + w * of_word + k]);
        words[w] = std::bit_cast<unsigned>(word);
      }
      *reinterpret_cast<uint4*>(to + piece) = {words[0], words[1], words[2], words[3]};
    }
  } else {
    Vector<T, n> packed;
#pragma unroll
    for (int k = 0; k < n; ++k) packed.elements[k] = from_float<T>(from[k]);
    *reinterpret_cast<Vector<T, n>*>(to) = packed;
  }
}

}  // namespace ctrain::cuda
