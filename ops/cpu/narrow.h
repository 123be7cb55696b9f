// bf16 on this backend: oneDNN multiplies it (ops/cpu/matmul.cpp); everything else is computed in fp32 on copies.
#pragma once

#include "ops/kernel.h"

namespace ctrain::cpu {

// The node's kernel in fp32, between conversions of its bf16 operands and results; the copies stand in the workspace.
Kernel through_fp32(const LocalNode& node);

}  // namespace ctrain::cpu
