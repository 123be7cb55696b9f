// cuDNN's fused attention, forward and backward.
#pragma once

#include "ops/kernel.h"

namespace ctrain::cuda {

// The node's kernel on cuDNN where cuDNN has an operation for it, or else the other one, which does the same. What the
// device and the library can do is only known when the kernel first runs.
[[nodiscard]] Kernel prefer_cudnn(const LocalNode& node, const Kernel& otherwise);

}  // namespace ctrain::cuda
