#include "ops/cpu/narrow.h"

#include <algorithm>
#include <array>

#include "memory/error.h"
#include "ops/cpu/list_split.h"
#include "ops/narrow_floats.h"
#include "ops/tensor_list.h"

namespace ctrain::cpu {
namespace {

template <typename From, typename To>
void convert(const From* from, To* to, std::int64_t begin, std::int64_t end) {
  std::transform(from + begin, from + end, to + begin, [](From x) { return static_cast<To>(x); });
}
template <typename From, typename To>
void convert(const From* from, To* to, const Split& split) {
  split.run([&](int, std::int64_t begin, std::int64_t end) { convert(from, to, begin, end); });
}

constexpr std::size_t alignment = 64, most_operands = 16;

// An operand in bf16 and its copy in fp32, whose place is an offset from the workspace.
struct Copy {
  std::size_t operand, offset;
  Split split;
};

template <typename From, typename To>
Kernel cast_to(const LocalNode& node) {
  return {[split = split_elements(operand_tensors(node).elements)](const Invocation& call) {
    split.run([&](std::size_t t, std::int64_t begin, std::int64_t end) {
      convert(call.in<From>(t), call.out<To>(t), begin, end);
    });
  }};
}

Kernel cast(const LocalNode& node) {
  const DType from = node.inputs[0].dtype, to = node.outputs[0].dtype;
  if (from == DType::bf16 && to == DType::f32) return cast_to<Bfloat16, float>(node);
  if (from == DType::f32 && to == DType::bf16) return cast_to<float, Bfloat16>(node);
  return KernelTable::instance().make(Backend::reference, node);
}

}  // namespace

Kernel through_fp32(const LocalNode& node) {
  require(node.inputs.size() <= most_operands && node.outputs.size() <= most_operands, "{}: too many operands",
          node.op);
  LocalNode wide = node;
  wide.overwrites = -1;  // operands and results are copies of their own
  std::size_t end = 0;
  std::vector<Copy> inputs, outputs;
  for (auto* operands : {&wide.inputs, &wide.outputs})
    for (std::size_t i = 0; i < operands->size(); ++i) {
      Operand& operand = (*operands)[i];
      if (operand.dtype != DType::bf16) continue;
      operand.dtype = DType::f32;
      (operands == &wide.inputs ? inputs : outputs).push_back({i, end, split_elements(operand.elements())});
      const std::size_t bytes = static_cast<std::size_t>(operand.elements()) * sizeof(float);
      end += (bytes + alignment - 1) / alignment * alignment;
    }
  const Kernel kernel = KernelTable::instance().make(Backend::cpu, wide);
  const auto run = [=, accumulate = node.accumulate, run_wide = kernel.run](const Invocation& call) {
    std::array<void*, most_operands> in{}, out{};
    std::copy(call.inputs.begin(), call.inputs.end(), in.begin());
    std::copy(call.outputs.begin(), call.outputs.end(), out.begin());
    const auto place = [&](const Copy& copy) { return static_cast<std::byte*>(call.workspace) + copy.offset; };
    for (const Copy& copy : inputs) {
      in[copy.operand] = place(copy);
      convert(call.in<Bfloat16>(copy.operand), static_cast<float*>(in[copy.operand]), copy.split);
    }
    for (const Copy& copy : outputs) {
      out[copy.operand] = place(copy);
      if (accumulate) convert(call.out<Bfloat16>(copy.operand), static_cast<float*>(out[copy.operand]), copy.split);
    }
    run_wide({{in.data(), call.inputs.size()},
              {out.data(), call.outputs.size()},
              static_cast<std::byte*>(call.workspace) + end,
              call.state,
              call.stream});
    for (const Copy& copy : outputs)
      convert(static_cast<const float*>(out[copy.operand]), call.out<Bfloat16>(copy.operand), copy.split);
  };
  return {run, end + kernel.workspace};
}

namespace {

struct NarrowKernels {
  NarrowKernels() {
    for (const char* op : {"add",
                           "bias",
                           "activation",
                           "activation_grad",
                           "dropout",
                           "sum",
                           "embedding",
                           "embedding_grad",
                           "attention",
                           "attention_grad",
                           "ring_attention",
                           "ring_attention_grad",
                           "layer_norm_sum",
                           "layer_norm_squares",
                           "layer_norm",
                           "layer_norm_grad_sums",
                           "layer_norm_grad_input",
                           "layer_norm_grad_weight",
                           "layer_norm_fused",
                           "layer_norm_grad_fused",
                           "class_max",
                           "class_sum_exp",
                           "class_target",
                           "class_place",
                           "cross_entropy_grad"})
      KernelTable::instance().add(Backend::cpu, op, DType::bf16, through_fp32);
    for (const DType type : {DType::f32, DType::bf16}) KernelTable::instance().add(Backend::cpu, "cast", type, cast);
  }
};
const NarrowKernels narrow_kernels;

}  // namespace
}  // namespace ctrain::cpu
