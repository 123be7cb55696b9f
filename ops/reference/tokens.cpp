// patchify, set_token, clear_token, select_token, place_token (ops/definitions/tokens.cpp).
#include <algorithm>

#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

constexpr Name token_dimension{'s'};

// image [b, i, y, x] -> [b, s, k]; the image is whole but for b, the patches may be any block of s and k.
template <typename T>
Kernel patchify(const LocalNode& node) {
  const Operand &image = node.inputs[0], &patches = node.outputs[0];
  const std::int64_t patch = node.attributes.integer("patch");
  const std::int64_t image_rows = node.extent({'y'}), image_columns = node.extent({'x'});
  const std::int64_t across = image_columns / patch,
                     image_size = image.elements() / std::max<std::int64_t>(image.shape[0], 1);
  // Where token s and feature k are found: the offset of a patch's corner (-1: no patch) and of a feature from there.
  std::vector<std::int64_t> corners, features;
  for (std::int64_t s = 0; s < patches.shape[1]; ++s) {
    const std::int64_t token = node.indices({'s'}).logical(s), index = token - 1;
    const bool is_patch = token > 0 && token < node.extent({'s'});
    corners.push_back(is_patch ? index / across * patch * image_columns + index % across * patch : -1);
  }
  for (std::int64_t k = 0; k < patches.shape[2]; ++k) {
    const std::int64_t feature = node.indices({'k'}).logical(k), within = feature % (patch * patch);
    const std::int64_t offset =
        (feature / (patch * patch) * image_rows + within / patch) * image_columns + within % patch;
    features.push_back(feature < node.extent({'k'}) ? offset : -1);
  }
  return {[=, count = image.shape[0]](const Invocation& call) {
    T* y = call.out<T>();
    for (std::int64_t b = 0; b < count; ++b)
      for (const std::int64_t corner : corners)
        for (const std::int64_t feature : features)
          *y++ = corner < 0 || feature < 0 ? T{0} : call.in<T>(0)[b * image_size + corner + feature];
  }};
}

// x [b, s, h], token [h] -> x with the token at s = 0
template <typename T>
Kernel set_token(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  const ElementMap s = logical_index(node, node.inputs[0], {token_dimension});
  const ElementMap source = positions(node.inputs[0], node.inputs[1]);
  return {[=](const Invocation& call) {
    const T *x = call.in<T>(0), *token = call.in<T>(1);
    T* y = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t column = 0; column < rows.width; ++column, ++x)
        *y++ = s(row, column) == 0 ? token[source(row, column)] : *x;
  }};
}

template <typename T>
Kernel clear_token(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  const ElementMap s = logical_index(node, node.inputs[0], {token_dimension});
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    T* y = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t column = 0; column < rows.width; ++column, ++x) *y++ = s(row, column) == 0 ? T{0} : *x;
  }};
}

// [b, s, h] -> [b, h]; zero where this block does not hold the token
template <typename T>
Kernel select_token(const LocalNode& node) {
  const Operand& x_block = node.inputs[0];
  const Rows rows(node, node.outputs[0]);
  const ElementMap source = positions(node.outputs[0], x_block);
  const std::int64_t token = local_index(node.indices(token_dimension), 0);
  return {[=, first = token * x_block.stride(token_dimension)](const Invocation& call) {
    T* y = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t column = 0; column < rows.width; ++column)
        *y++ = token < 0 ? T{0} : call.in<T>(0)[first + source(row, column)];
  }};
}

// [b, h] -> [b, s, h]
template <typename T>
Kernel place_token(const LocalNode& node) {
  const Operand& y_block = node.outputs[0];
  const Rows rows(node, node.inputs[0]);
  const ElementMap target = positions(node.inputs[0], y_block);
  const std::int64_t token = local_index(node.indices(token_dimension), 0), elements = y_block.elements();
  return {[=, first = token * y_block.stride(token_dimension)](const Invocation& call) {
    const T* x = call.in<T>(0);
    std::fill_n(call.out<T>(), elements, T{0});
    if (token < 0) return;
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t column = 0; column < rows.width; ++column) call.out<T>()[first + target(row, column)] = *x++;
  }};
}

const ReferenceKernel patchify_kernel("patchify", []<typename T>() { return patchify<T>; });
const ReferenceKernel set_kernel("set_token", []<typename T>() { return set_token<T>; });
const ReferenceKernel clear_kernel("clear_token", []<typename T>() { return clear_token<T>; });
const ReferenceKernel select_kernel("select_token", []<typename T>() { return select_token<T>; });
const ReferenceKernel place_kernel("place_token", []<typename T>() { return place_token<T>; });

}  // namespace
}  // namespace ctrain::reference
