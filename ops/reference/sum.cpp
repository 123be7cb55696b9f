// sum, sum_squares (ops/definitions/sum.cpp), added up in double in the order of the operand's elements.
#include <algorithm>

#include "ops/reference/indexing.h"
#include "ops/tensor_list.h"

namespace ctrain::reference {
namespace {

template <typename T, typename Out>
Kernel sum(const LocalNode& node) {
  const Rows x_rows(node, node.inputs[0]);
  const ElementMap target = positions(node.inputs[0], node.outputs[0]);
  const std::int64_t elements = node.outputs[0].elements();
  const auto run = [=](const Invocation& call) {
    const T* x = call.in<T>(0);
    auto* sums = static_cast<double*>(call.workspace);
    std::fill_n(sums, elements, 0.0);
    for (std::int64_t row = 0; row < x_rows.count; ++row)
      for (std::int64_t column = 0; column < x_rows.width; ++column) sums[target(row, column)] += *x++;
    std::transform(sums, sums + elements, call.out<Out>(), [](double value) { return static_cast<Out>(value); });
  };
  return {run, static_cast<std::size_t>(elements) * sizeof(double)};
}

template <typename T>
Kernel any_sum(const LocalNode& node) {
  return with_output_type<T>(node, [&]<typename Out>() { return sum<T, Out>(node); });
}

template <typename T>
Kernel sum_squares(const LocalNode& node) {
  return {[list = operand_tensors(node)](const Invocation& call) {
    for (std::size_t t = 0; t < list.size(); ++t) {
      const T* x = call.in<T>(t);
      double total = 0;
      for (std::int64_t i = 0; i < list.elements[t]; ++i) total += static_cast<double>(x[i]) * x[i];
      *call.out<Wide<T>>(t) = static_cast<Wide<T>>(total);
    }
  }};
}

const ReferenceKernel sum_kernel("sum", []<typename T>() { return any_sum<T>; });
const ReferenceKernel sum_squares_kernel("sum_squares", []<typename T>() { return sum_squares<T>; });

}  // namespace
}  // namespace ctrain::reference
