// How exact the CUDA backend's products of fp32 operands are.
#pragma once

#include <atomic>

namespace ctrain::cuda {

// Whether such products may round their operands to TF32 (10 bits of mantissa) for the tensor cores; off, they are true
// fp32. Set for the process before kernels are made: a kernel keeps what it read then.
inline std::atomic<bool>& tf32_allowed() {
  static std::atomic<bool> allowed{false};
  return allowed;
}

}  // namespace ctrain::cuda
