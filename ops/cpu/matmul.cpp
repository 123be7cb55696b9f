// matmul on oneDNN, and linear, a product with a bias over its N group (x, w, b). oneDNN can add to what stands in the
// output, but keeps no operand of an activation: the other fused products are compositions (ops/fused_products.h).
//
// Where the product is no GEMM (ops/gemm_groups.h), or oneDNN has only its plain loops for it (a transposed C), the
// reference kernel runs, or for bf16 the same product in fp32.
#include <dnnl.hpp>
#include <memory>
#include <optional>
#include <unordered_map>

#include "memory/allocation_counter.h"
#include "ops/cpu/narrow.h"
#include "ops/cpu/rows.h"
#include "ops/fused_products.h"
#include "ops/gemm_groups.h"

namespace ctrain::cpu {
namespace {

dnnl::memory::data_type native(DType type) {
  return type == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

// The [batch, row, column] matrix, or [row, column] without a batch.
dnnl::memory::desc description_of(const StridedMatrix& matrix, bool batched, DType type) {
  dnnl::memory::dims shape{matrix.rows.extent, matrix.columns.extent};
  dnnl::memory::dims strides{matrix.rows.stride, matrix.columns.stride};
  if (batched) {
    shape.insert(shape.begin(), matrix.batch.extent);
    strides.insert(strides.begin(), matrix.batch.stride);
  }
  return {shape, native(type), strides};
}

// A primitive with its memory objects: running it sets their addresses and nothing else.
class Primitive {
 public:
  Primitive(const dnnl::engine& engine, const dnnl::matmul::primitive_desc& description, std::vector<int> arguments)
      : stream_(engine), primitive_(description), inputs_(std::move(arguments)) {
    const auto add = [&](int argument, const dnnl::memory::desc& desc) {
      arguments_.emplace(argument, dnnl::memory(desc, engine, nullptr));
    };
    for (const int argument : inputs_) add(argument, description.query_md(dnnl::query::exec_arg_md, argument));
    add(DNNL_ARG_DST, description.dst_desc());
    add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc());
  }

  void run(const Invocation& call) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) arguments_[inputs_[i]].set_data_handle(call.inputs[i]);
    arguments_[DNNL_ARG_DST].set_data_handle(call.outputs[0]);
    arguments_[DNNL_ARG_SCRATCHPAD].set_data_handle(call.workspace);
    const VendorCall vendor;
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::stream stream_;
  dnnl::matmul primitive_;
  std::vector<int> inputs_;  // what argument each operand of the node is
  std::unordered_map<int, dnnl::memory> arguments_;
};

// C = A B (+ bias); nothing where oneDNN has no fast kernel for it.
std::optional<Kernel> gemm(const LocalNode& node) {
  const std::optional<Gemm> product = gemm_of(node);
  const bool has_bias = node.inputs.size() == 3;
  if (!product || (has_bias && !(node.inputs[2].dims == product->column_names))) return std::nullopt;
  const auto desc_a = description_of(product->a, product->batched, node.inputs[0].dtype);
  const auto desc_b = description_of(product->b, product->batched, node.inputs[1].dtype);
  const auto desc_c = description_of(product->c, product->batched, node.outputs[0].dtype);

  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (node.accumulate) {
    dnnl::post_ops post;
    post.append_sum();
    attributes.set_post_ops(post);
  }
  std::vector<int> arguments{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS};
  if (product->swapped) std::swap(arguments[0], arguments[1]);
  dnnl::matmul::desc operation(desc_a, desc_b, desc_c);
  if (has_bias) {
    arguments.push_back(DNNL_ARG_BIAS);
    const std::int64_t columns = product->c.columns.extent;
    dnnl::memory::dims shape(desc_c.dims().size(), 1), strides(shape.size(), columns);
    shape.back() = columns;
    strides.back() = 1;
    operation = {desc_a, desc_b, dnnl::memory::desc(shape, native(node.inputs[2].dtype), strides), desc_c};
  }
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const dnnl::matmul::primitive_desc description(operation, attributes, engine, true);
  if (!description || std::string_view(description.impl_info_str()).starts_with("ref")) return std::nullopt;
  const auto shared = std::make_shared<Primitive>(engine, description, arguments);
  return Kernel{[shared](const Invocation& call) { shared->run(call); }, description.scratchpad_desc().get_size()};
}

Kernel gemm_or_reference(const LocalNode& node) {
  std::optional<Kernel> fast = gemm(node);
  return fast ? *fast : reference_kernel(node);
}

// Without instructions for bf16 the conversions cost less than oneDNN's emulation of them.
Kernel narrow_gemm(const LocalNode& node) {
  const bool has_instructions = __builtin_cpu_supports("avx512bf16") != 0;
  std::optional<Kernel> fast = has_instructions ? gemm(node) : std::nullopt;
  return fast ? *fast : through_fp32(node);
}

const KernelRegistration matmul(Backend::cpu, "matmul", DType::f32, gemm_or_reference);
const KernelRegistration linear(Backend::cpu, "linear", DType::f32, gemm_or_reference);
const KernelRegistration narrow_matmul(Backend::cpu, "matmul", DType::bf16, narrow_gemm);
const KernelRegistration narrow_linear(Backend::cpu, "linear", DType::bf16, narrow_gemm);
const ComposedProducts composed(Backend::cpu, DType::f32), narrow_composed(Backend::cpu, DType::bf16);

}  // namespace
}  // namespace ctrain::cpu
