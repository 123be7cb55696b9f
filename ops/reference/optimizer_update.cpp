// sgd_update, adam_update (ops/definitions/optimizer_update.cpp). Outputs are the inputs of the same meaning,
// overwritten.
#include <cmath>

#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

// p, g or p, g, v
template <typename T>
Kernel sgd_update(const LocalNode& node) {
  const std::int64_t elements = node.outputs[0].elements();
  const bool has_velocity = node.inputs.size() == 3;
  const double decay = node.attributes.real("decay"), momentum = has_velocity ? node.attributes.real("momentum") : 0;
  return {[=](const Invocation& call) {
    const T *p = call.in<T>(0), *g = call.in<T>(1);
    for (std::int64_t i = 0; i < elements; ++i) {
      double direction = g[i] + decay * p[i];
      if (has_velocity) {
        if (call.state->step > 0) direction += momentum * call.in<T>(2)[i];
        call.out<T>(1)[i] = static_cast<T>(direction);
      }
      call.out<T>(0)[i] = static_cast<T>(p[i] - call.state->learning_rate * direction);
    }
  }};
}

// p, g, m, v
template <typename T>
Kernel adam_update(const LocalNode& node) {
  const std::int64_t elements = node.outputs[0].elements();
  const Attributes& attributes = node.attributes;
  const double beta1 = attributes.real("beta1"), beta2 = attributes.real("beta2");
  const double epsilon = attributes.real("epsilon"), decay = attributes.real("decay");
  const bool decoupled = attributes.integer("decoupled") != 0;
  return {[=](const Invocation& call) {
    const auto t = static_cast<double>(call.state->step + 1);
    const double rate = call.state->learning_rate;
    const double correction1 = 1 - std::pow(beta1, t), correction2 = 1 - std::pow(beta2, t);
    for (std::int64_t i = 0; i < elements; ++i) {
      const double p = call.in<T>(0)[i] * (decoupled ? 1 - rate * decay : 1);
      const double g = call.in<T>(1)[i] + (decoupled ? 0 : decay * p);
      const double m = beta1 * call.in<T>(2)[i] + (1 - beta1) * g;
      const double v = beta2 * call.in<T>(3)[i] + (1 - beta2) * g * g;
      const double step = (m / correction1) / (std::sqrt(v / correction2) + epsilon);
      call.out<T>(0)[i] = static_cast<T>(p - rate * step);
      call.out<T>(1)[i] = static_cast<T>(m);
      call.out<T>(2)[i] = static_cast<T>(v);
    }
  }};
}

const ReferenceKernel sgd_kernel("sgd_update", []<typename T>() { return sgd_update<T>; });
const ReferenceKernel adam_kernel("adam_update", []<typename T>() { return adam_update<T>; });

}  // namespace
}  // namespace ctrain::reference
