// One launch over many tensors of any sizes: a block of threads has a chunk of one of them, found in a table that goes
// to the device by value. What is done with a chunk does not depend on what else stands in the table.
#pragma once

#include <vector>

#include "ops/cuda/vectors.h"

namespace ctrain::cuda {

constexpr int chunk_threads = 256;
constexpr std::int64_t chunk_elements = 8192;  // enough to hide the search for it, few enough to fill any GPU evenly

constexpr int chunks_of(std::int64_t elements) {
  return static_cast<int>((elements + chunk_elements - 1) / chunk_elements);
}

// Tensor: the pointers to one tensor's operands.
template <typename Tensor>
struct TensorTable {
  // Parameters of a launch take 4 KiB on every device; this leaves room for others.
  static constexpr std::size_t bytes = 3840;
  static constexpr int most = bytes / (sizeof(Tensor) + sizeof(std::int64_t) + sizeof(int));

  [[nodiscard]] int chunks() const { return ends[count - 1]; }
  void add(const Tensor& tensor, std::int64_t size) {
    ends[count] = chunks_of(size) + (count == 0 ? 0 : chunks());
    tensors[count] = tensor;
    elements[count++] = size;
  }

  // Calls body(tensor, chunk's number in the tensor, its first element, the one behind its last) for the block's chunk.
  template <typename Body>
  __device__ void of_block(const Body& body) const {
    const int chunk = static_cast<int>(blockIdx.x);
    int first = 0;
    for (int last = count - 1; first < last;) {  // the first tensor that ends behind the chunk
      const int middle = (first + last) / 2;
      if (ends[middle] > chunk)
        last = middle;
      else
        first = middle + 1;
    }
    const int number = chunk - (first == 0 ? 0 : ends[first - 1]);
    const std::int64_t begin = number * chunk_elements;
    body(tensors[first], number, begin, min(begin + chunk_elements, elements[first]));
  }

  // Calls body.operator()<number of elements>(tensor, first of them) for all elements of the block's chunk, n at a
  // time.
  template <int n, typename Body>
  __device__ void each_vector(const Body& body) const {
    of_block([&](const Tensor& tensor, int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin + static_cast<int>(threadIdx.x) * n; i < end; i += chunk_threads * n) {
        if (i + n <= end)
          body.template operator()<n>(tensor, i);
        else
          for (std::int64_t k = i; k < end; ++k) body.template operator()<1>(tensor, k);
      }
    });
  }

  int count = 0;
  int ends[most];  // the chunk behind each tensor's last one
  std::int64_t elements[most];
  Tensor tensors[most];
};

// Enqueues a kernel over the chunks of a table.
template <typename Tensor, typename... Parameters, typename... Arguments>
void launch_chunks(const char* name, void (*kernel)(TensorTable<Tensor>, Parameters...), const Invocation& call,
                   const TensorTable<Tensor>& table, Arguments... arguments) {
  if (table.chunks() > 0) launch(name, kernel, table.chunks(), chunk_threads, 0, stream_of(call), table, arguments...);
}

// Calls enqueue(table) for tables of tensor_of(0), tensor_of(1), ..., of these sizes.
template <typename TensorOf, typename Enqueue>
void for_tables(const std::vector<std::int64_t>& elements, const TensorOf& tensor_of, const Enqueue& enqueue) {
  TensorTable<decltype(tensor_of(std::size_t{0}))> table;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    table.add(tensor_of(i), elements[i]);
    if (table.count < table.most && i + 1 < elements.size()) continue;
    enqueue(table);
    table.count = 0;
  }
}

}  // namespace ctrain::cuda
