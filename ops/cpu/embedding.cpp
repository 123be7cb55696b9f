// embedding, add_positions and their gradients (ops/definitions/embedding.cpp). The embedding gradient's threads each
// have some columns of the table and go over all indices in order, so that rows that occur twice are added up in the
// same order every time.
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

// x [b, s, h], P [p, h] -> x + P[s]
Kernel add_positions(const LocalNode& node) {
  const std::int64_t tokens = node.inputs[0].shape[1], width = node.inputs[0].shape[2];
  const Split split(node.inputs[0].shape[0] * tokens, width);
  return {[=, held = node.indices({'s'}), extent = node.extent({'s'})](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t place = held.logical(i % tokens);
        const float *x = call.in<float>(0) + i * width, *row = call.in<float>(1) + place * width;
        float* y = call.out<float>() + i * width;
        for_vectors(width, [&](std::int64_t j, auto part) {
          store(y + j, place < extent ? load(x + j, part) + load(row + j, part) : load(x + j, part), part);
        });
      }
    });
  }};
}

// dy [b, s, h] -> dP [p, h]
Kernel add_positions_grad(const LocalNode& node) {
  const Operand& dy_block = node.inputs[0];
  const std::int64_t batch = dy_block.shape[0], tokens = dy_block.shape[1], width = dy_block.shape[2];
  const Split split(node.outputs[0].shape[0], batch * width);
  return {[=, held = node.indices({'s'}), extent = node.extent({'s'})](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t place = begin; place < end; ++place) {
        float* sums = call.out<float>() + place * width;
        std::fill_n(sums, width, 0.0F);
        const std::int64_t token = place < extent ? reference::local_index(held, place) : -1;
        for (std::int64_t b = 0; token >= 0 && b < batch; ++b) {
          const float* dy = call.in<float>(0) + (b * tokens + token) * width;
          for_vectors(width, [&](std::int64_t j, auto part) {
            store(sums + j, load(sums + j, part) + load(dy + j, part), part);
          });
        }
      }
    });
  }};
}

const KernelRegistration embedding_kernel(Backend::cpu, "embedding", DType::f32, embedding);
const KernelRegistration embedding_grad_kernel(Backend::cpu, "embedding_grad", DType::f32, embedding_grad);
const KernelRegistration positions_kernel(Backend::cpu, "add_positions", DType::f32, add_positions);
const KernelRegistration positions_grad_kernel(Backend::cpu, "add_positions_grad", DType::f32, add_positions_grad);

}  // namespace
}  // namespace ctrain::cpu
