#include "ops/kernel.h"

#include "memory/error.h"

namespace ctrain {

std::int64_t Operand::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
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

Kernel KernelTable::make(Backend backend, DType real, const LocalNode& node) const {
  const KernelFactory* factory = find(backend, node.op, real);
  if (factory == nullptr) factory = find(Backend::reference, node.op, real);
  require(factory != nullptr, "no kernel for {} in {}", node.op, name_of(real));
  return (*factory)(node);
}

}  // namespace ctrain
