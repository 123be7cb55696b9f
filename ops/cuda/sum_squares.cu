// sum_squares (ops/definitions/sum.cpp), in fp32 and always in the same order: the sums of chunks go to the workspace,
// and a second launch adds those of each tensor.
#include "ops/cuda/reductions.h"
#include "ops/cuda/tensor_table.h"
#include "ops/cuda/types.h"
#include "ops/tensor_list.h"

namespace ctrain::cuda {
namespace {

template <typename T>
struct SquaredTensor {
  const T* x;
  float* parts;  // one for each chunk
  void* sum;
};

template <typename T>
__global__ void __launch_bounds__(chunk_threads) square_chunks(const TensorTable<SquaredTensor<T>> table) {
  table.of_block([](const SquaredTensor<T>& tensor, int chunk, std::int64_t begin, std::int64_t end) {
    constexpr int n = vector_width<T>;
    float sum = 0;
    for (std::int64_t i = begin + static_cast<int>(threadIdx.x) * n; i < end; i += chunk_threads * n) {
      if (i + n <= end) {
        float values[n];
        load(tensor.x + i, values);
#pragma unroll
        for (int k = 0; k < n; ++k) sum += values[k] * values[k];
      } else {
        for (std::int64_t k = i; k < end; ++k) sum += to_float(tensor.x[k]) * to_float(tensor.x[k]);
      }
    }
    sum = reduce<Sum, chunk_threads>(sum);
    if (threadIdx.x == 0) tensor.parts[chunk] = sum;
  });
}

// A block for each tensor.
template <typename T>
__global__ void __launch_bounds__(chunk_threads)
    add_parts(const TensorTable<SquaredTensor<T>> table, const DType sum_type) {
  const SquaredTensor<T>& tensor = table.tensors[blockIdx.x];
  const int parts = chunks_of(table.elements[blockIdx.x]);
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += chunk_threads) sum += tensor.parts[i];
  sum = reduce<Sum, chunk_threads>(sum);
  if (threadIdx.x == 0) Numbers{tensor.sum, sum_type}.set(0, sum);
}

template <typename T>
Kernel sum_squares(const LocalNode& node) {
  const TensorList list = operand_tensors(node);
  std::vector<std::int64_t> first_parts{0};
  for (const std::int64_t elements : list.elements) first_parts.push_back(first_parts.back() + chunks_of(elements));
  const auto run = [=, types = OperandTypes(node)](const Invocation& call) {
    const auto tensor = [&](std::size_t t) {
      return SquaredTensor<T>{call.in<T>(t), static_cast<float*>(call.workspace) + first_parts[t], call.outputs[t]};
    };
    for_tables(list.elements, tensor, [&](const auto& table) {
      launch_chunks("sum_squares", square_chunks<T>, call, table);
      launch("sum_squares", add_parts<T>, table.count, chunk_threads, 0, stream_of(call), table, types.out(call).type);
    });
  };
  return {run, static_cast<std::size_t>(first_parts.back()) * sizeof(float)};
}

const CudaKernel registration("sum_squares", sum_squares<float>, sum_squares<__nv_bfloat16>, sum_squares<__half>);

}  // namespace
}  // namespace ctrain::cuda
