// dropout (ops/definitions/dropout.cpp); ops/dropout_mask.h says which elements are kept.
#include "ops/dropout_mask.h"

#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

template <typename T>
Kernel dropout(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  const ElementMap index = logical_index(node, node.inputs[0], Names(node.attributes.text("over")));
  return {[=, seed = node.seed, key = node.attributes.text("key"),
           rate = node.attributes.real("rate")](const Invocation& call) {
    DropoutMask mask(seed, key, call.state->step, rate);
    const T* x = call.in<T>(0);
    T* y = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t column = 0; column < rows.width; ++column)
        *y++ = static_cast<T>(*x++ * mask.factor(index(row, column)));
  }};
}

const ReferenceKernel registration("dropout", []<typename T>() { return dropout<T>; });

}  // namespace
}  // namespace ctrain::reference
