// Stand-in for CUDA's header of the same name: short vectors, aligned as on the device.
#pragma once

#include <cstdint>

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  constexpr dim3(unsigned x_extent = 1, unsigned y_extent = 1, unsigned z_extent = 1)
      : x(x_extent), y(y_extent), z(z_extent) {}
  unsigned x, y, z;
};

template <typename T>
struct alignas(2 * sizeof(T)) EmulatedVector2 {
  T x, y;
};
template <typename T>
struct alignas(16) EmulatedVector4 {
  T x, y, z, w;
};

using float2 = EmulatedVector2<float>;
using float4 = EmulatedVector4<float>;
using int4 = EmulatedVector4<int>;
using uint4 = EmulatedVector4<unsigned>;

constexpr float2 make_float2(float x, float y) { return {x, y}; }
constexpr float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
