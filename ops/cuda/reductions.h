// Reductions over the threads of a warp or a block, always in the same order: every thread gets the same bits, in every
// run.
#pragma once

#include "ops/cuda/launch.h"

namespace ctrain::cuda {

constexpr int warp = 32;

struct Sum {
  static constexpr float identity = 0;
  __device__ static float of(float a, float b) { return a + b; }
};
struct Max {
  static constexpr float identity = -INFINITY;
  __device__ static float of(float a, float b) { return fmaxf(a, b); }
};

template <typename Operation>
__device__ float reduce_warp(float x) {
#pragma unroll
  for (int distance = warp / 2; distance > 0; distance /= 2)
    x = Operation::of(x, __shfl_xor_sync(0xffffffffU, x, distance));
  return x;
}

// Of each of n numbers over `threads` threads: a warp, or the whole block of that many.
template <typename Operation, int threads, int n>
__device__ void reduce(float (&x)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) x[i] = reduce_warp<Operation>(x[i]);
  if constexpr (threads > warp) {
    __shared__ float of_warp[n][threads / warp];
    const int lane = static_cast<int>(threadIdx.x) % warp;
    __syncthreads();  // who is still reading the results of the reduction before
    if (lane == 0)
      for (int i = 0; i < n; ++i) of_warp[i][threadIdx.x / warp] = x[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < n; ++i)
      x[i] = reduce_warp<Operation>(lane < threads / warp ? of_warp[i][lane] : Operation::identity);
  }
}

template <typename Operation, int threads>
__device__ float reduce(float x) {
  float one[1] = {x};
  reduce<Operation, threads>(one);
  return one[0];
}

}  // namespace ctrain::cuda
