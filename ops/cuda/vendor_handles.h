// The libraries' handles: one per thread and device, made when first asked for and kept until the thread ends.
#pragma once

#include <cublasLt.h>
#include <cudnn.h>

#include "memory/error.h"

namespace ctrain::cuda {

// Of the device that is current.
[[nodiscard]] cublasLtHandle_t cublas_lt_handle();
[[nodiscard]] cudnnHandle_t cudnn_handle();

inline void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) throw running_error("cuBLAS: {}: {}", what, cublasLtGetStatusString(status));
}
inline void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS) throw running_error("cuDNN: {}: {}", what, cudnnGetErrorString(status));
}

}  // namespace ctrain::cuda
