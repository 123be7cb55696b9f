// add, bias, cast, activation, activation_grad, divide (ops/definitions/elementwise.cpp).
#include <algorithm>
#include <cmath>

#include "memory/error.h"
#include "ops/reference/indexing.h"
#include "ops/tensor_list.h"

namespace ctrain::reference {
namespace {

template <typename T>
Kernel add(const LocalNode& node) {
  const std::int64_t elements = node.outputs[0].elements();
  return {[=](const Invocation& call) {
    T* y = call.out<T>();
    for (std::int64_t i = 0; i < elements; ++i) {
      double total = 0;
      for (std::size_t term = 0; term < call.inputs.size(); ++term) total += call.in<T>(term)[i];
      y[i] = static_cast<T>(total);
    }
  }};
}

template <typename T>
Kernel bias(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  const ElementMap source = positions(node.inputs[0], node.inputs[1]);
  return {[=](const Invocation& call) {
    const T *x = call.in<T>(0), *b = call.in<T>(1);
    T* y = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t column = 0; column < rows.width; ++column) *y++ = *x++ + b[source(row, column)];
  }};
}

// A function and its derivative.
struct Activation {
  double (*value)(double);
  double (*derivative)(double);
};

double normal_cdf(double x) { return 0.5 * std::erfc(-x * M_SQRT1_2); }
double normal_density(double x) { return std::exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2); }

// GPT-2's gelu: the logistic function stands in for the cumulative probability.
double logistic_cdf(double x) { return 1 / (1 + std::exp(-2 * M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x))); }
double logistic_density(double x) {
  const double slope = 2 * M_2_SQRTPI * M_SQRT1_2 * (1 + 3 * 0.044715 * x * x);
  return logistic_cdf(x) * (1 - logistic_cdf(x)) * slope;
}

Activation find_activation(const std::string& kind) {
  if (kind == "gelu")
    return {[](double x) { return x * normal_cdf(x); }, [](double x) { return normal_cdf(x) + x * normal_density(x); }};
  if (kind == "gelu_tanh")
    return {[](double x) { return x * logistic_cdf(x); },
            [](double x) { return logistic_cdf(x) + x * logistic_density(x); }};
  if (kind == "relu") return {[](double x) { return x > 0 ? x : 0; }, [](double x) { return x > 0 ? 1.0 : 0.0; }};
  require(kind == "tanh", "no activation '{}'", kind);
  return {[](double x) { return std::tanh(x); }, [](double x) { return 1 - std::tanh(x) * std::tanh(x); }};
}

template <typename T>
Kernel activation(const LocalNode& node) {
  const std::int64_t elements = node.outputs[0].elements();
  const Activation function = find_activation(node.attributes.text("kind"));
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    T* y = call.out<T>();
    for (std::int64_t i = 0; i < elements; ++i) y[i] = static_cast<T>(function.value(x[i]));
  }};
}

template <typename T>
Kernel activation_grad(const LocalNode& node) {
  const std::int64_t elements = node.outputs[0].elements();
  const Activation function = find_activation(node.attributes.text("kind"));
  return {[=](const Invocation& call) {
    const T *x = call.in<T>(0), *dy = call.in<T>(1);
    T* dx = call.out<T>();
    for (std::int64_t i = 0; i < elements; ++i) dx[i] = static_cast<T>(dy[i] * function.derivative(x[i]));
  }};
}

template <typename T>
Kernel cast(const LocalNode& node) {
  return with_type(node.outputs[0].dtype, [&]<typename Out>(Out) -> Kernel {
    return {[list = operand_tensors(node)](const Invocation& call) {
      for (std::size_t t = 0; t < list.size(); ++t)
        std::transform(call.in<T>(t), call.in<T>(t) + list.elements[t], call.out<Out>(t),
                       [](T number) { return static_cast<Out>(static_cast<Wide<T>>(number)); });
    }};
  });
}

template <typename T>
Kernel divide(const LocalNode&) {
  return {[](const Invocation& call) { *call.out<T>() = *call.in<T>(0) / *call.in<T>(1); }};
}

const ReferenceKernel add_kernel("add", []<typename T>() { return add<T>; });
const ReferenceKernel bias_kernel("bias", []<typename T>() { return bias<T>; });
const ReferenceKernel activation_kernel("activation", []<typename T>() { return activation<T>; });
const ReferenceKernel activation_grad_kernel("activation_grad", []<typename T>() { return activation_grad<T>; });
const ReferenceKernel cast_kernel("cast", []<typename T>() { return cast<T>; });
const ReferenceKernel divide_kernel("divide", []<typename T>() { return divide<T>; });

}  // namespace
}  // namespace ctrain::reference
