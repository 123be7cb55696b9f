// Stand-in for CUDA's header of the same name: short vectors, aligned as on the device, and what makes them.
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
using int2 = EmulatedVector2<int>;
using uint2 = EmulatedVector2<unsigned>;
using longlong2 = EmulatedVector2<long long>;
using ulonglong2 = EmulatedVector2<unsigned long long>;
using float4 = EmulatedVector4<float>;
using int4 = EmulatedVector4<int>;
using uint4 = EmulatedVector4<unsigned>;

constexpr float2 make_float2(float x, float y) { return {x, y}; }
constexpr int2 make_int2(int x, int y) { return {x, y}; }
constexpr uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
constexpr float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
constexpr int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
constexpr uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
