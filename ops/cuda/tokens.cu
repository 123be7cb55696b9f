// patchify, set_token, clear_token, select_token, place_token (ops/definitions/tokens.cpp). All but the first are
// copies of a whole block and of the rows of one token in it.
#include <algorithm>
#include <array>

#include "ops/cuda/map.h"
#include "ops/cuda/positions.h"
#include "ops/cuda/types.h"

namespace ctrain::cuda {
namespace {

// n features of a patch stand side by side in the image, too, where n divides the patch's width.
template <typename T>
struct Patches {
  template <int n>
  __device__ void operator()(std::int64_t element, float (&y)[n]) const {
    const std::int64_t row = divide(element, local_features), b = divide(row, local_tokens);
    const std::int64_t index = tokens.logical(row - b * local_tokens) - 1;  // of the patch; token 0 is none
    const std::int64_t feature = features.logical(element - row * local_features);
    if (index < 0 || index + 1 >= tokens.extent || feature >= features.extent) {
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] = 0;
      return;
    }
    const std::int64_t patch_row = divide(index, patches_across), patch_column = index - patch_row * patches_across;
    const std::int64_t line = divide(feature, patch), channel = divide(line, patch);
    const std::int64_t image_row = patch_row * patch + line - channel * patch;
    const std::int64_t image_column = patch_column * patch + feature - line * patch;
    load(image + ((b * channels + channel) * image_rows + image_row) * image_columns + image_column, y);
  }
  const T* image;
  Indices tokens, features;
  std::int64_t local_tokens, local_features;
  std::int64_t patch, patches_across, channels, image_rows, image_columns;
};

template <typename T>
Kernel patchify(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0}, {0});
  constexpr int width = vector_width<T>;
  const Operand &image = node.inputs[0], &patches = node.outputs[0];
  const std::int64_t patch = node.attributes.integer("patch");
  const Patches<T> prepared{
      nullptr, indices_of(node, {'s'}),     indices_of(node, {'k'}), patches.extent({'s'}), patches.extent({'k'}),
      patch,   image.extent({'x'}) / patch, image.extent({'i'}),     image.extent({'y'}),   image.extent({'x'})};
  const Indices& features = prepared.features;
  const std::array divisible{patch,
                             prepared.image_columns,
                             prepared.local_features,
                             features.start[0],
                             features.start[1],
                             features.first_length};
  const bool is_vector = std::all_of(divisible.begin(), divisible.end(), [](auto n) { return n % width == 0; });
  return {[=, elements = patches.elements()](const Invocation& call) {
    Patches<T> function = prepared;
    function.image = call.in<T>(0);
    if (is_vector) {
      map<width>("patchify", call, elements, function, call.out<T>());
    } else {
      map<1>("patchify", call, elements, function, call.out<T>());
    }
  }};
}

// `to` at the target positions = `from` at the source positions, or zero where `from` holds nothing.
struct RowCopy {
  std::int64_t elements = 0;
  Positions source, target;
  std::int64_t source_offset = 0, target_offset = 0;
};

__global__ void copy_rows(RowCopy copy, Numbers from, Numbers to) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= copy.elements) return;
  const float x = from.data == nullptr ? 0 : from[copy.source_offset + copy.source(i)];
  to.set(copy.target_offset + copy.target(i), x);
}

void enqueue(const char* name, const Invocation& call, const RowCopy& copy, Numbers from, Numbers to) {
  if (copy.elements > 0)
    launch(name, copy_rows, blocks_for(copy.elements, map_threads), map_threads, 0, stream_of(call), copy, from, to);
}

// The rows of token 0 in a block that has the token dimension; none where the block does not hold it.
class TokenRows {
 public:
  TokenRows(const LocalNode& node, const Operand& block)
      : block_(block),
        names_(block.dims.without(dimension)),
        token_(indices_of(node, dimension).local(0, block.extent(dimension))) {}

  [[nodiscard]] bool are_here() const { return token_ >= 0; }
  [[nodiscard]] RowCopy from(const Operand& operand) const {
    return {elements(), positions(operand), positions(block_), 0, offset()};
  }
  [[nodiscard]] RowCopy to(const Operand& operand) const {
    return {elements(), positions(block_), positions(operand), offset(), 0};
  }

 private:
  static constexpr Name dimension{'s'};

  [[nodiscard]] Positions positions(const Operand& operand) const { return {names_, block_, operand}; }
  [[nodiscard]] std::int64_t offset() const { return token_ * stride(block_, dimension); }
  [[nodiscard]] std::int64_t elements() const { return are_here() ? block_.elements() / block_.extent(dimension) : 0; }

  Operand block_;
  Names names_;
  std::int64_t token_;
};

std::size_t bytes_of(const Operand& operand) {
  return static_cast<std::size_t>(operand.elements()) * size_of(operand.dtype);
}

void copy_whole(const Invocation& call, std::size_t bytes) {
  if (call.inputs[0] == call.outputs[0]) return;
  check(cudaMemcpyAsync(call.outputs[0], call.inputs[0], bytes, cudaMemcpyDeviceToDevice, stream_of(call)), "a copy");
}

// x [b, s, h], token [h] -> x with the token at s = 0
Kernel set_token(const LocalNode& node) {
  require_type(node, node.outputs[0].dtype, {0}, {});
  const RowCopy copy = TokenRows(node, node.outputs[0]).from(node.inputs[1]);
  return {[=, types = OperandTypes(node), bytes = bytes_of(node.outputs[0])](const Invocation& call) {
    copy_whole(call, bytes);
    enqueue("set_token", call, copy, types.in(call, 1), types.out(call));
  }};
}

Kernel clear_token(const LocalNode& node) {
  require_type(node, node.outputs[0].dtype, {0}, {});
  const RowCopy copy = TokenRows(node, node.outputs[0]).from({});
  return {[=, types = OperandTypes(node), bytes = bytes_of(node.outputs[0])](const Invocation& call) {
    copy_whole(call, bytes);
    enqueue("clear_token", call, copy, {nullptr, DType::f32}, types.out(call));
  }};
}

// [b, s, h] -> [b, h]; zero where this block does not hold the token
Kernel select_token(const LocalNode& node) {
  const TokenRows rows(node, node.inputs[0]);
  return {[=, copy = rows.to(node.outputs[0]), types = OperandTypes(node),
           bytes = bytes_of(node.outputs[0])](const Invocation& call) {
    if (rows.are_here()) return enqueue("select_token", call, copy, types.in(call, 0), types.out(call));
    check(cudaMemsetAsync(call.outputs[0], 0, bytes, stream_of(call)), "zeros");
  }};
}

// [b, h] -> [b, s, h]
Kernel place_token(const LocalNode& node) {
  const RowCopy copy = TokenRows(node, node.outputs[0]).from(node.inputs[0]);
  return {[=, types = OperandTypes(node), bytes = bytes_of(node.outputs[0])](const Invocation& call) {
    check(cudaMemsetAsync(call.outputs[0], 0, bytes, stream_of(call)), "zeros");
    enqueue("place_token", call, copy, types.in(call, 0), types.out(call));
  }};
}

const CudaKernel patchify_kernel("patchify", patchify<float>, patchify<__nv_bfloat16>, patchify<__half>);
const CudaKernel set_kernel("set_token", set_token, set_token, set_token);
const CudaKernel clear_kernel("clear_token", clear_token, clear_token, clear_token);
const CudaKernel select_kernel("select_token", select_token, select_token, select_token);
const CudaKernel place_kernel("place_token", place_token, place_token, place_token);

}  // namespace
}  // namespace ctrain::cuda
