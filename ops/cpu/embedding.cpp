// embedding, embedding_grad (ops/definitions/embedding.cpp). The gradient's threads each have some columns of the table
// and go over all indices in order, so that rows that occur twice are added up in the same order every time.
#include <algorithm>

#include "ops/cpu/split.h"
#include "ops/kernel.h"
#include "ops/reference/indexing.h"

namespace ctrain::cpu {
namespace {

// ids [..], table [v, h] -> [.., h]
Kernel embedding(const LocalNode& node) {
  const Operand& table = node.inputs[1];
  const std::int64_t width = table.shape[1];
  const Split split(node.inputs[0].elements(), width);
  return {[=, held = node.indices(table.dims[0])](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = reference::local_index(held, call.in<std::int32_t>(0)[i]);
        float* y = call.out<float>() + i * width;
        if (row < 0) {
          std::fill_n(y, width, 0.0F);
        } else {
          std::copy_n(call.in<float>(1) + row * width, width, y);
        }
      }
    });
  }};
}

// ids [..], dy [.., h] -> dE [v, h]
Kernel embedding_grad(const LocalNode& node) {
  const Operand& table = node.outputs[0];
  const std::int64_t rows = table.shape[0], width = table.shape[1], count = node.inputs[0].elements();
  const Split split(width, count + rows, lanes);
  return {[=, held = node.indices(table.dims[0])](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = 0; row < rows; ++row)
        std::fill_n(call.out<float>() + row * width + begin, end - begin, 0.0F);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t row = reference::local_index(held, call.in<std::int32_t>(0)[i]);
        if (row < 0) continue;
        const float* dy = call.in<float>(1) + i * width + begin;
        float* sums = call.out<float>() + row * width + begin;
        for_vectors(end - begin, [&](std::int64_t j, auto part) {
          store(sums + j, load(sums + j, part) + load(dy + j, part), part);
        });
      }
    });
  }};
}

const KernelRegistration embedding_kernel(Backend::cpu, "embedding", DType::f32, embedding);
const KernelRegistration embedding_grad_kernel(Backend::cpu, "embedding_grad", DType::f32, embedding_grad);

}  // namespace
}  // namespace ctrain::cpu
