#include "ops/kernel.h"

#include "memory/error.h"

namespace ctrain {

std::int64_t Operand::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

std::int64_t Operand::stride(Name name) const {
  if (!dims.contains(name)) return 0;
  std::int64_t product = 1;
  for (auto i = static_cast<std::size_t>(dims.index(name)) + 1; i < shape.size(); ++i) product *= shape[i];
  return product;
}

KernelTable& KernelTable::instance() {
  static KernelTable table;
  return table;
}

void KernelTable::add(Backend backend, const std::string& op, DType dtype, KernelFactory factory) {
  const bool fresh = factories_.emplace(KernelKey{backend, op, dtype}, std::move(factory)).second;
  require(fresh, "two kernels for {} {}", op, name_of(dtype));
}

const KernelFactory* KernelTable::find(Backend backend, const std::string& op, DType dtype) const {
  const auto it = factories_.find({backend, op, dtype});
  return it == factories_.end() ? nullptr : &it->second;
}

DType kernel_type(const LocalNode& node) {
  for (const auto* operands : {&node.inputs, &node.outputs})
    for (const Operand& operand : *operands)
      if (is_real(operand.dtype)) return operand.dtype;
  return node.outputs.at(0).dtype;
}

Kernel KernelTable::make(Backend backend, const LocalNode& node) const {
  const DType type = kernel_type(node);
  const KernelFactory* factory = find(backend, node.op, type);
  if (factory == nullptr && backend != Backend::cuda) factory = find(Backend::reference, node.op, type);
  require(factory != nullptr, "no kernel for {} in {}", node.op, name_of(type));
  return (*factory)(node);
}

}  // namespace ctrain
