// Memory accesses of 16 bytes a thread, which the memory system likes best.
#pragma once

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

template <int n, typename T>
__device__ void store(T* to, const float (&from)[n]) {
  Vector<T, n> packed;
#pragma unroll
  for (int k = 0; k < n; ++k) packed.elements[k] = from_float<T>(from[k]);
  *reinterpret_cast<Vector<T, n>*>(to) = packed;
}

}  // namespace ctrain::cuda
