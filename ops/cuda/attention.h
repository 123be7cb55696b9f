// The attention kernels of our own: fp32 arithmetic on tiles in shared memory, any head width up to 256, any mask,
// dropout and order of tokens, turns of a ring.
#pragma once

#include "ops/kernel.h"

namespace ctrain::cuda {

// attention or ring_attention, attention_grad or ring_attention_grad.
[[nodiscard]] Kernel tiled_attention(const LocalNode& node);
[[nodiscard]] Kernel tiled_attention_grad(const LocalNode& node);

}  // namespace ctrain::cuda
