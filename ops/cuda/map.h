// Elementwise kernels: each thread takes neighbours that fill an access of 16 bytes. Operands start at multiples of 256
// bytes, so that such an access is aligned wherever its first element's index is a multiple of its width.
#pragma once

#include <algorithm>

#include "ops/cuda/vectors.h"

namespace ctrain::cuda {

constexpr int map_threads = 256, most_map_blocks = 1 << 16;  // short ones: no wave of long ones at the end

// y[first .. first + n) = values, for all of y: function(first, values) computes n neighbours.
template <typename T, int n, typename Function>
__global__ void __launch_bounds__(map_threads) map_elements(std::int64_t elements, Function function, T* y) {
  const std::int64_t stride = std::int64_t{gridDim.x} * map_threads * n;
  for (std::int64_t first = (std::int64_t{blockIdx.x} * map_threads + threadIdx.x) * n; first < elements;
       first += stride) {
    if (first + n <= elements) {
      float values[n];
      function(first, values);
      store<n>(y + first, values);
    } else {
      for (std::int64_t i = first; i < elements; ++i) {
        float value[1];
        function(i, value);
        store<1>(y + i, value);
      }
    }
  }
}

template <int n, typename T, typename Function>
void map(const char* name, const Invocation& call, std::int64_t elements, const Function& function, T* y) {
  if (elements == 0) return;
  const int blocks =
      static_cast<int>(std::min<std::int64_t>((elements + n * map_threads - 1) / (n * map_threads), most_map_blocks));
  launch(name, map_elements<T, n, Function>, blocks, map_threads, 0, stream_of(call), elements, function, y);
}

}  // namespace ctrain::cuda
