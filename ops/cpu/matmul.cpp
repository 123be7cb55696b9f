// matmul on oneDNN, and linear, a product with a bias over its N group (x, w, b).
//
// The names of an einsum fall into four groups: batch (in A, B and C), M (A and C), N (B and C) and K (not in C). Where
// each group is one contiguous run of dimensions in the same order in every operand, the product is one (batched) GEMM
// whose operands may be transposed. Where it is not, or where oneDNN has only its plain loops for it (a transposed C),
// the reference kernel runs, or for bf16 the same product in fp32.
#include <dnnl.hpp>
#include <memory>
#include <optional>
#include <unordered_map>

#include "memory/allocation_counter.h"
#include "ops/cpu/narrow.h"
#include "ops/cpu/rows.h"

namespace ctrain::cpu {
namespace {

dnnl::memory::data_type native(DType type) {
  return type == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

std::int64_t stride(const Operand& operand, Name name) {
  std::int64_t product = 1;
  for (auto i = static_cast<std::size_t>(operand.dims.index(name)) + 1; i < operand.shape.size(); ++i)
    product *= operand.shape[i];
  return product;
}

// A group of dimensions seen as one.
struct Group {
  Names names;
  std::int64_t extent = 1;

  void push_back(Name name, std::int64_t of) {
    names.push_back(name);
    extent *= of;
  }
  // Elements between neighbours of the group in `operand`; nothing where its names are not one run there.
  [[nodiscard]] std::optional<std::int64_t> stride_in(const Operand& operand) const {
    if (names.empty()) return 1;
    std::int64_t expected = stride(operand, names.back());
    const std::int64_t innermost = expected;
    for (std::size_t i = names.size(); i-- > 0;) {
      if (stride(operand, names[i]) != expected) return std::nullopt;
      expected *= operand.extent(names[i]);
    }
    return innermost;
  }
};

struct Product {
  Group batch, rows, columns, contracted;
};

Product groups_of(const Operand& a, const Operand& b, const Operand& c) {
  Product product;
  for (const Name name : c.dims) {
    const bool in_a = a.dims.contains(name), in_b = b.dims.contains(name);
    Group& group = in_a && in_b ? product.batch : in_a ? product.rows : product.columns;
    group.push_back(name, c.extent(name));
  }
  for (const Name name : a.dims)
    if (!c.dims.contains(name)) product.contracted.push_back(name, a.extent(name));
  return product;
}

// The [batch, row, column] matrix that `operand` is, or [row, column] without a batch; nothing where it is not one.
std::optional<dnnl::memory::desc> matrix(const Operand& operand, const Group& batch, const Group& rows,
                                         const Group& columns) {
  const auto outer = batch.stride_in(operand), row = rows.stride_in(operand), column = columns.stride_in(operand);
  if (!outer || !row || !column) return std::nullopt;
  dnnl::memory::dims shape{rows.extent, columns.extent}, strides{*row, *column};
  // A dimension of extent one has whatever stride makes the matrix an ordinary one.
  if (columns.extent == 1) strides[1] = 1;
  if (rows.extent == 1) strides[0] = columns.extent * strides[1];
  if (!batch.names.empty()) {
    shape.insert(shape.begin(), batch.extent);
    strides.insert(strides.begin(), batch.extent == 1 ? rows.extent * columns.extent : *outer);
  }
  return dnnl::memory::desc(shape, native(operand.dtype), strides);
}

// A primitive with its memory objects: running it sets their addresses and nothing else.
class Gemm {
 public:
  Gemm(const dnnl::engine& engine, const dnnl::matmul::primitive_desc& description, std::vector<int> arguments)
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
  const Operand &c = node.outputs[0], *a = &node.inputs[0], *b = &node.inputs[1];
  if (c.dims.empty()) return std::nullopt;
  // The operand that brings C's last dimension is B, so that C is row-major.
  const bool swapped = a->dims.contains(c.dims.back());
  if (swapped) std::swap(a, b);
  const Product product = groups_of(*a, *b, c);
  const auto& [batch, rows, columns, contracted] = product;
  if (batch.extent * rows.extent * columns.extent * contracted.extent == 0) return std::nullopt;
  const auto desc_a = matrix(*a, batch, rows, contracted), desc_b = matrix(*b, batch, contracted, columns);
  const auto desc_c = matrix(c, batch, rows, columns);
  if (!desc_a || !desc_b || !desc_c) return std::nullopt;

  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (node.accumulate) {
    dnnl::post_ops post;
    post.append_sum();
    attributes.set_post_ops(post);
  }
  std::vector<int> arguments{swapped ? DNNL_ARG_WEIGHTS : DNNL_ARG_SRC, swapped ? DNNL_ARG_SRC : DNNL_ARG_WEIGHTS};
  dnnl::matmul::desc operation(*desc_a, *desc_b, *desc_c);
  if (node.inputs.size() == 3) {
    if (!(node.inputs[2].dims == columns.names)) return std::nullopt;
    arguments.push_back(DNNL_ARG_BIAS);
    dnnl::memory::dims shape(desc_c->dims().size(), 1), strides(shape.size(), columns.extent);
    shape.back() = columns.extent;
    strides.back() = 1;
    operation = {*desc_a, *desc_b, dnnl::memory::desc(shape, native(node.inputs[2].dtype), strides), *desc_c};
  }
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const dnnl::matmul::primitive_desc description(operation, attributes, engine, true);
  if (!description || std::string_view(description.impl_info_str()).starts_with("ref")) return std::nullopt;
  const auto shared = std::make_shared<Gemm>(engine, description, arguments);
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

}  // namespace
}  // namespace ctrain::cpu
