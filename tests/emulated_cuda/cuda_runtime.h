// Stand-in for CUDA's header of the same name: CUDA's C++ for g++, with tests/emulated_cuda/emulator.h behind it. Has
// what the kernels of ops/cuda/ use, and grows with them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <tuple>

#include <cuda_runtime_api.h>

#include "tests/emulated_cuda/emulator.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static thread_local  // blocks run one after the other
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

constexpr int warpSize = emulated_cuda::warp_size;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const dim3 grid = config->gridDim, block = config->blockDim;
  const bool is_valid = grid.x >= 1 && grid.x < 1U << 31 && grid.y >= 1 && grid.y < 1U << 16 && grid.z >= 1 &&
                        grid.z < 1U << 16 && block.x * block.y * block.z >= 1 && block.z <= 64 &&
                        std::uint64_t{block.x} * block.y * block.z <= emulated_cuda::most_threads &&
                        config->dynamicSmemBytes == 0;
  if (!is_valid) return cudaErrorInvalidConfiguration;
  const std::tuple<void (*)(Parameters...), std::tuple<Parameters...>> call{kernel, {arguments...}};
  const auto run_thread = [](const void* pointer) {
    const auto& [function, values] = *static_cast<const decltype(call)*>(pointer);
    std::apply(function, values);
  };
  emulated_cuda::run_grid(grid, block, run_thread, &call);
  return cudaSuccess;
}

// Barriers and shuffles.

inline void __syncthreads(const std::source_location& place = std::source_location::current()) {
  emulated_cuda::wait_for_block(place);
}
inline void __syncwarp(unsigned mask = ~0U, const std::source_location& place = std::source_location::current()) {
  emulated_cuda::exchange(mask, 0, place);
}

inline int __syncthreads_or(int predicate, const std::source_location& place = std::source_location::current()) {
  static thread_local int any = 0;
  if (predicate != 0) any = 1;
  emulated_cuda::wait_for_block(place);
  const int result = any;
  emulated_cuda::wait_for_block(place);
  any = 0;
  emulated_cuda::wait_for_block(place);
  return result;
}

namespace emulated_cuda {

inline unsigned lane() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % warp_size; }

template <typename T>
std::uint64_t to_word(T value) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  return word;
}

template <typename T>
T shuffle(unsigned mask, T value, unsigned from, const Place& place) {
  const std::uint64_t word = value_of_lane(exchange(mask, to_word(value), place), from, place);
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

}  // namespace emulated_cuda

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              const std::source_location& place = std::source_location::current()) {
  const unsigned lane = emulated_cuda::lane(), first = lane / width * width;
  return emulated_cuda::shuffle(mask, value, first + static_cast<unsigned>(source) % width, place);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 const std::source_location& place = std::source_location::current()) {
  const unsigned lane = emulated_cuda::lane();
  return emulated_cuda::shuffle(mask, value, lane % width < delta ? lane : lane - delta, place);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   const std::source_location& place = std::source_location::current()) {
  const unsigned lane = emulated_cuda::lane();
  return emulated_cuda::shuffle(mask, value, lane % width + delta >= unsigned(width) ? lane : lane + delta, place);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize,
                  const std::source_location& place = std::source_location::current()) {
  const unsigned lane = emulated_cuda::lane(), other = lane ^ static_cast<unsigned>(lanes);
  return emulated_cuda::shuffle(mask, value, other / width > lane / width ? lane : other, place);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const std::source_location& place = std::source_location::current()) {
  const emulated_cuda::Exchange& votes = emulated_cuda::exchange(mask, predicate != 0 ? 1 : 0, place);
  unsigned result = 0;
  for (unsigned lane = 0; lane < emulated_cuda::warp_size; ++lane)
    if ((votes.lanes >> lane & 1) != 0 && votes.values[lane] != 0) result |= 1U << lane;
  return result;
}
// Memory.

template <typename T>
T __ldg(const T* pointer) {
  return *pointer;
}
template <typename T>
T atomicAdd(T* pointer, T value) {
  const T before = *pointer;
  *pointer = before + value;
  return before;
}

// Arithmetic. Names that glibc has declared for itself can only be macros.

#define __expf expf
#define __logf logf

using std::max;
using std::min;

inline float __fdividef(float x, float y) { return x / y; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
