// What a library takes whole: for tests and figures, in builds with and without CUDA.
#pragma once

#include <functional>

#include "memory/registry.h"
#include "ops/kernel.h"

namespace ctrain::cuda {

// Does the library run this node as one: a product with all that was fused to it ("cublasLt"), or attention ("cudnn")?
// Asks the current GPU. Registered by the name of the library.
using LibraryQuery = std::function<bool(const LocalNode& node)>;

}  // namespace ctrain::cuda
