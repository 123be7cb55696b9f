// The CUDA runtime's answers, as our errors.
#pragma once

#include <cuda_runtime_api.h>

#include "memory/error.h"

namespace ctrain::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw running_error("CUDA: {}: {}", what, cudaGetErrorString(status));
}

}  // namespace ctrain::cuda
