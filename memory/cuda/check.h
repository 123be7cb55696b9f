// The CUDA runtime's answers, as our errors.
#pragma once

#include <cuda_runtime_api.h>

#include "memory/error.h"

namespace ctrain::cuda {

// An error that was told stays the thread's last one until it is taken, and libraries that look for errors of their own
// would find it.
inline void forget_last_error() { (void)cudaGetLastError(); }

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  forget_last_error();
  throw running_error("CUDA: {}: {}", what, cudaGetErrorString(status));
}

}  // namespace ctrain::cuda
