// A copy between two blocks along nested loops with strides: slices, and the packing around collectives that split an
// inner dimension.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "ops/kernel.h"

namespace ctrain {

struct StridedCopy {
  struct Loop {
    std::int64_t count = 1, from_stride = 0, to_stride = 0;  // elements
  };
  std::vector<Loop> loops;                      // slowest first, at least one
  std::int64_t from_offset = 0, to_offset = 0;  // elements
};

// Copies elements of `element_bytes`; `stream` is the device's native one.
using StridedCopyFunction = void (*)(const StridedCopy& copy, std::size_t element_bytes, const void* from, void* to,
                                     void* stream);

// The backend's copy; the host's for backends that work in host memory.
[[nodiscard]] StridedCopyFunction strided_copy_of(Backend backend);

struct StridedCopyRegistration {
  StridedCopyRegistration(Backend backend, StridedCopyFunction function);
};

}  // namespace ctrain
