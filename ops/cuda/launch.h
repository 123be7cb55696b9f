// What the kernels of the CUDA backend share: launches, what a kernel knows of its blocks in a form that goes to the
// device by value, and dropout's mask.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

#include "memory/cuda/check.h"
#include "ops/kernel.h"
#include "ops/philox.h"

namespace ctrain::cuda {

inline cudaStream_t stream_of(const Invocation& call) { return static_cast<cudaStream_t>(call.stream); }

// Enqueues a kernel; what goes wrong in its execution is found out when the stream is waited for. Not by <<<>>>, which
// only nvcc can read: tests compile the same kernels for the CPU (tests/emulated_cuda).
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 blocks, dim3 threads, std::size_t shared_bytes,
            cudaStream_t stream, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), name);
}

inline int blocks_for(std::int64_t threads, int per_block) {
  return static_cast<int>((threads + per_block - 1) / per_block);
}

// The C++ type of an element type.
template <DType>
struct TypeOf;
template <>
struct TypeOf<DType::f32> {
  using type = float;
};
template <>
struct TypeOf<DType::f16> {
  using type = __half;
};
template <>
struct TypeOf<DType::bf16> {
  using type = __nv_bfloat16;
};
template <DType dtype>
using type_of = typename TypeOf<dtype>::type;

// Arithmetic is in fp32 whatever the operands are.
__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
template <typename T>
__device__ inline T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// A dimension's logical indices (Segments of ops/kernel.h) on the device.
struct Indices {
  std::int64_t start[2], first_length;  // of the two runs, and how many the first one holds
  std::int64_t extent;                  // indices from here on are padding
  __host__ __device__ std::int64_t logical(std::int64_t local) const {
    return local < first_length ? start[0] + local : start[1] + local - first_length;
  }
  __host__ __device__ bool valid(std::int64_t local) const { return logical(local) < extent; }
  // Where a logical index stands among `length` local ones; -1 where it is not among them.
  __host__ __device__ std::int64_t local(std::int64_t logical, std::int64_t length) const {
    if (logical >= start[0] && logical < start[0] + first_length) return logical - start[0];
    const std::int64_t second = first_length + logical - start[1];
    return second >= first_length && second < length ? second : -1;
  }
};

inline Indices indices_of(const LocalNode& node, Name name) {
  const Segments& segments = node.indices(name);
  return {{segments.runs[0].start, segments.runs[1].start}, segments.runs[0].length, node.extent(name)};
}

// ops/dropout_mask.h on the device: bit for bit the same mask. The step is read where the kernel runs, so that recorded
// work draws anew every time.
struct DeviceMask {
  DeviceMask() = default;
  DeviceMask(const LocalNode& node, double rate)
      : name_key(random_key_of(node)),
        dropped(static_cast<std::uint32_t>(std::ceil(rate * 0x1p32) - 1)),
        scale(static_cast<float>(1 / (1 - rate))),
        active(rate > 0) {}

  [[nodiscard]] __device__ std::uint64_t key(const StepState* state) const {
    return key_of_step(name_key, static_cast<std::uint64_t>(state->step));
  }
  // Of one element: 0 or 1 / (1 - rate). Neighbours share a block of four words: draw it once where they are at hand.
  [[nodiscard]] __device__ float factor(std::uint64_t key, std::int64_t index) const {
    return !active ? 1.0F : factor_of_word(random_word(key, static_cast<std::uint64_t>(index)));
  }
  [[nodiscard]] __device__ float factor_of_word(std::uint32_t word) const { return keeps(word) ? scale : 0.0F; }
  [[nodiscard]] __device__ bool keeps(std::uint32_t word) const { return word > dropped; }

  std::uint64_t name_key = 0;  // of seed and node
  std::uint32_t dropped = 0;   // the largest word that drops
  float scale = 1;
  bool active = false;

 private:
  static std::uint64_t random_key_of(const LocalNode& node) {
    return key_of_purpose(node.seed, node.attributes.text("key"));
  }
};

}  // namespace ctrain::cuda
