// sgd_update, adam_update (ops/definitions/optimizer_update.cpp). Outputs are the inputs of the same meaning,
// overwritten.
#include <cmath>

#include "ops/reference/indexing.h"
#include "ops/tensor_list.h"

namespace ctrain::reference {
namespace {

// p, g or p, g, v of each tensor
template <typename T>
Kernel sgd_update(const LocalNode& node) {
  const TensorList list = updated_tensors(node);
  const bool has_velocity = list.inputs == 3;
  const double decay = node.attributes.real("decay"), momentum = has_velocity ? node.attributes.real("momentum") : 0;
  return {[=](const Invocation& call) {
    for (std::size_t t = 0; t < list.size(); ++t) {
      const T* g = call.in<T>(list.in(t, 1));
      T *p = call.out<T>(list.out(t)), *v = has_velocity ? call.out<T>(list.out(t, 1)) : nullptr;
      for (std::int64_t i = 0; i < list.elements[t]; ++i) {
        double direction = g[i] + decay * p[i];
        if (has_velocity) {
          if (call.state->step > 0) direction += momentum * v[i];
          v[i] = static_cast<T>(direction);
        }
        p[i] = static_cast<T>(p[i] - call.state->learning_rate * direction);
      }
    }
  }};
}

// p, g, m, v of each tensor
template <typename T>
Kernel adam_update(const LocalNode& node) {
  const TensorList list = updated_tensors(node);
  const Attributes& attributes = node.attributes;
  const double beta1 = attributes.real("beta1"), beta2 = attributes.real("beta2");
  const double epsilon = attributes.real("epsilon"), decay = attributes.real("decay");
  const bool decoupled = attributes.integer("decoupled") != 0;
  return {[=](const Invocation& call) {
    const auto t = static_cast<double>(call.state->step + 1);
    const double rate = call.state->learning_rate;
    const double correction1 = 1 - std::pow(beta1, t), correction2 = 1 - std::pow(beta2, t);
    for (std::size_t tensor = 0; tensor < list.size(); ++tensor) {
      const T* gradient = call.in<T>(list.in(tensor, 1));
      T *parameter = call.out<T>(list.out(tensor)), *first = call.out<T>(list.out(tensor, 1)),
        *second = call.out<T>(list.out(tensor, 2));
      for (std::int64_t i = 0; i < list.elements[tensor]; ++i) {
        const double p = parameter[i] * (decoupled ? 1 - rate * decay : 1);
        const double g = gradient[i] + (decoupled ? 0 : decay * p);
        const double m = beta1 * first[i] + (1 - beta1) * g;
        const double v = beta2 * second[i] + (1 - beta2) * g * g;
        const double step = (m / correction1) / (std::sqrt(v / correction2) + epsilon);
        parameter[i] = static_cast<T>(p - rate * step);
        first[i] = static_cast<T>(m);
        second[i] = static_cast<T>(v);
      }
    }
  }};
}

const ReferenceKernel sgd_kernel("sgd_update", []<typename T>() { return sgd_update<T>; });
const ReferenceKernel adam_kernel("adam_update", []<typename T>() { return adam_update<T>; });

}  // namespace
}  // namespace ctrain::reference
