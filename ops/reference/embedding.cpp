// embedding, add_positions and their gradients (ops/definitions/embedding.cpp). Indices that this block of the table
// does not hold, be they another rank's or negative, contribute nothing.
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

// The place of each local token, or -1 where it is padding.
std::vector<std::int64_t> token_places(const LocalNode& node, const Operand& tokens) {
  std::vector<std::int64_t> places;
  for (std::int64_t s = 0; s < tokens.extent({'s'}); ++s) {
    const std::int64_t place = node.indices({'s'}).logical(s);
    places.push_back(place < node.extent({'s'}) ? place : -1);
  }
  return places;
}

// x [b, s, h], P [p, h] -> x + P[s]
template <typename T>
Kernel add_positions(const LocalNode& node) {
  const std::int64_t batch = node.inputs[0].shape[0], width = node.inputs[0].shape[2];
  return {[=, places = token_places(node, node.inputs[0])](const Invocation& call) {
    const T* x = call.in<T>(0);
    T* y = call.out<T>();
    for (std::int64_t b = 0; b < batch; ++b)
      for (const std::int64_t place : places)
        for (std::int64_t j = 0; j < width; ++j, ++x)
          *y++ = place < 0 ? *x : static_cast<T>(*x + call.in<T>(1)[place * width + j]);
  }};
}

// dy [b, s, h] -> dP [p, h]
template <typename T, typename Out>
Kernel add_positions_grad(const LocalNode& node) {
  const Operand& dy_block = node.inputs[0];
  const std::int64_t batch = dy_block.shape[0], tokens = dy_block.shape[1], width = dy_block.shape[2];
  const std::int64_t elements = node.outputs[0].elements();
  return {[=, places = token_places(node, dy_block)](const Invocation& call) {
    Out* table = call.out<Out>();
    std::fill_n(table, elements, Out{0});
    for (std::int64_t s = 0; s < tokens; ++s) {
      const std::int64_t place = places[static_cast<std::size_t>(s)];
      if (place < 0) continue;
      for (std::int64_t j = 0; j < width; ++j) {
        double sum = 0;
        for (std::int64_t b = 0; b < batch; ++b) sum += call.in<T>(0)[(b * tokens + s) * width + j];
        table[place * width + j] = static_cast<Out>(sum);
      }
    }
  }};
}

template <typename T>
Kernel any_add_positions_grad(const LocalNode& node) {
  return with_output_type<T>(node, [&]<typename Out>() { return add_positions_grad<T, Out>(node); });
}

const ReferenceKernel embedding_kernel("embedding", []<typename T>() { return embedding<T>; });
const ReferenceKernel embedding_grad_kernel("embedding_grad", []<typename T>() { return any_embedding_grad<T>; });
const ReferenceKernel positions_kernel("add_positions", []<typename T>() { return add_positions<T>; });
const ReferenceKernel positions_grad_kernel("add_positions_grad",
                                            []<typename T>() { return any_add_positions_grad<T>; });

}  // namespace
}  // namespace ctrain::reference
