// Element types of the CUDA kernels: which a kernel was made for, which it takes beside them, and how numbers of a type
// that is known when the kernel is made are read and written.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "memory/error.h"
#include "ops/cuda/launch.h"

namespace ctrain {

template <>
constexpr DType dtype_of<__half>() {
  return DType::f16;
}
template <>
constexpr DType dtype_of<__nv_bfloat16>() {
  return DType::bf16;
}

namespace cuda {

// Registers a kernel in the element types that this backend computes in.
struct CudaKernel {
  CudaKernel(const std::string& op, const KernelFactory& f32, const KernelFactory& bf16, const KernelFactory& f16) {
    KernelTable::instance().add(Backend::cuda, op, DType::f32, f32);
    KernelTable::instance().add(Backend::cuda, op, DType::bf16, bf16);
    KernelTable::instance().add(Backend::cuda, op, DType::f16, f16);
  }
};

[[noreturn]] inline void refuse_type(const LocalNode& node, const char* side, std::size_t i, DType type) {
  throw running_error("CUDA has no kernel for {} of {} with {} {} in {}", node.op, name_of(kernel_type(node)), side, i,
                      name_of(type));
}

// Throws unless these operands have this type.
inline void require_type(const LocalNode& node, DType type, std::initializer_list<std::size_t> inputs,
                         std::initializer_list<std::size_t> outputs) {
  for (const std::size_t i : inputs)
    if (node.inputs.at(i).dtype != type) refuse_type(node, "input", i, node.inputs[i].dtype);
  for (const std::size_t i : outputs)
    if (node.outputs.at(i).dtype != type) refuse_type(node, "output", i, node.outputs[i].dtype);
}

// make.operator()<the type of input i>(), which is one of these.
template <typename First, typename... Others, typename Make>
Kernel with_type(const LocalNode& node, std::size_t i, const Make& make) {
  if (node.inputs.at(i).dtype == dtype_of<First>()) return make.template operator()<First>();
  if constexpr (sizeof...(Others) > 0) return with_type<Others...>(node, i, make);
  refuse_type(node, "input", i, node.inputs[i].dtype);
}

// Numbers of a type that only the plan knows. For operands of one number a row or a column: what costs nothing beside
// the rows themselves needs no kernel of its own for each type.
struct Numbers {
  [[nodiscard]] __device__ float operator[](std::int64_t i) const {
    if (type == DType::bf16) return to_float(static_cast<const __nv_bfloat16*>(data)[i]);
    if (type == DType::f16) return to_float(static_cast<const __half*>(data)[i]);
    return static_cast<const float*>(data)[i];
  }
  __device__ void set(std::int64_t i, float x) const {
    if (type == DType::bf16)
      static_cast<__nv_bfloat16*>(data)[i] = from_float<__nv_bfloat16>(x);
    else if (type == DType::f16)
      static_cast<__half*>(data)[i] = from_float<__half>(x);
    else
      static_cast<float*>(data)[i] = x;
  }

  void* data;
  DType type;
};

// A node's operands as Numbers.
class OperandTypes {
 public:
  explicit OperandTypes(const LocalNode& node)
      : inputs_(types_of(node, "input", node.inputs)), outputs_(types_of(node, "output", node.outputs)) {}
  [[nodiscard]] Numbers in(const Invocation& call, std::size_t i) const { return {call.inputs[i], inputs_[i]}; }
  [[nodiscard]] Numbers out(const Invocation& call, std::size_t i = 0) const { return {call.outputs[i], outputs_[i]}; }

 private:
  static std::vector<DType> types_of(const LocalNode& node, const char* side, const std::vector<Operand>& operands) {
    std::vector<DType> types;
    for (const Operand& operand : operands) {
      if (operand.dtype == DType::f64) refuse_type(node, side, types.size(), operand.dtype);
      types.push_back(operand.dtype);
    }
    return types;
  }

  std::vector<DType> inputs_, outputs_;
};

}  // namespace cuda
}  // namespace ctrain
