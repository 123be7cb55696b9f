// embedding, embedding_grad (ops/definitions/embedding.cpp). Indices that this block of the table does not hold, be
// they another rank's or negative, contribute nothing.
#include <algorithm>

#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

// ids [..], table [v, h] -> [.., h]
template <typename T>
Kernel embedding(const LocalNode& node) {
  const Operand& table = node.inputs[1];
  const std::int64_t width = table.shape[1], count = node.inputs[0].elements();
  return {[=, held = node.indices(table.dims[0])](const Invocation& call) {
    const auto* ids = call.in<std::int32_t>(0);
    T* y = call.out<T>();
    for (std::int64_t i = 0; i < count; ++i, y += width) {
      const std::int64_t row = local_index(held, ids[i]);
      if (row < 0) {
        std::fill_n(y, width, T{0});
      } else {
        std::copy_n(call.in<T>(1) + row * width, width, y);
      }
    }
  }};
}

// ids [..], dy [.., h] -> dE [v, h]
template <typename T, typename Out>
Kernel embedding_grad(const LocalNode& node) {
  const Operand& table = node.outputs[0];
  const std::int64_t width = table.shape[1], count = node.inputs[0].elements(), elements = table.elements();
  const auto run = [=, held = node.indices(table.dims[0])](const Invocation& call) {
    const auto* ids = call.in<std::int32_t>(0);
    const T* dy = call.in<T>(1);
    auto* sums = static_cast<double*>(call.workspace);
    std::fill_n(sums, elements, 0.0);
    for (std::int64_t i = 0; i < count; ++i, dy += width) {
      const std::int64_t row = local_index(held, ids[i]);
      if (row < 0) continue;
      for (std::int64_t j = 0; j < width; ++j) sums[row * width + j] += dy[j];
    }
    std::transform(sums, sums + elements, call.out<Out>(), [](double value) { return static_cast<Out>(value); });
  };
  return {run, static_cast<std::size_t>(elements) * sizeof(double)};
}

template <typename T>
Kernel any_embedding_grad(const LocalNode& node) {
  return with_output_type<T>(node, [&]<typename Out>() { return embedding_grad<T, Out>(node); });
}

const ReferenceKernel embedding_kernel("embedding", []<typename T>() { return embedding<T>; });
const ReferenceKernel embedding_grad_kernel("embedding_grad", []<typename T>() { return any_embedding_grad<T>; });

}  // namespace
}  // namespace ctrain::reference
