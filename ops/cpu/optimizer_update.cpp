// sgd_update, adam_update (ops/definitions/optimizer_update.cpp): one pass over parameters, gradients and states.
#include <cmath>

#include "ops/cpu/list_split.h"
#include "ops/tensor_list.h"

namespace ctrain::cpu {
namespace {

// p, g or p, g, v of each tensor
Kernel sgd_update(const LocalNode& node) {
  const TensorList list = updated_tensors(node);
  const ListSplit split = split_elements(list.elements);
  const bool has_velocity = list.inputs == 3;
  const auto decay = static_cast<float>(node.attributes.real("decay"));
  const auto momentum = static_cast<float>(has_velocity ? node.attributes.real("momentum") : 0);
  return {[=](const Invocation& call) {
    const auto rate = static_cast<float>(call.state->learning_rate);
    const float kept = call.state->step > 0 ? momentum : 0;
    split.run([&](std::size_t t, std::int64_t begin, std::int64_t end) {
      const float* g = call.in<float>(list.in(t, 1)) + begin;
      float* p = call.out<float>(list.out(t)) + begin;
      float* v = has_velocity ? call.out<float>(list.out(t, 1)) + begin : nullptr;
      for_vectors(end - begin, [&](std::int64_t i, auto part) {
        const Floats old = load(p + i, part);
        Floats direction = load(g + i, part) + decay * old;
        if (has_velocity) {
          direction += kept * load(v + i, part);
          store(v + i, direction, part);
        }
        store(p + i, old - rate * direction, part);
      });
    });
  }};
}

// p, g, m, v of each tensor
Kernel adam_update(const LocalNode& node) {
  const TensorList list = updated_tensors(node);
  const ListSplit split = split_elements(list.elements);
  const Attributes& attributes = node.attributes;
  const double beta1 = attributes.real("beta1"), beta2 = attributes.real("beta2"), decay = attributes.real("decay");
  const auto epsilon = static_cast<float>(attributes.real("epsilon"));
  const bool decoupled = attributes.integer("decoupled") != 0;
  return {[=](const Invocation& call) {
    const auto t = static_cast<double>(call.state->step + 1);
    const double rate = call.state->learning_rate;
    // p -= rate / c1 * m / (sqrt(v) / sqrt(c2) + ε), c1 and c2 the corrections of the moments' bias
    const auto step = static_cast<float>(rate / (1 - std::pow(beta1, t)));
    const auto scale = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, t)));
    const auto shrink = static_cast<float>(decoupled ? 1 - rate * decay : 1);
    const auto added = static_cast<float>(decoupled ? 0 : decay);
    const auto keep1 = static_cast<float>(beta1), new1 = static_cast<float>(1 - beta1);
    const auto keep2 = static_cast<float>(beta2), new2 = static_cast<float>(1 - beta2);
    split.run([&](std::size_t tensor, std::int64_t begin, std::int64_t end) {
      const float* gradient = call.in<float>(list.in(tensor, 1)) + begin;
      float *parameter = call.out<float>(list.out(tensor)) + begin,
            *first = call.out<float>(list.out(tensor, 1)) + begin,
            *second = call.out<float>(list.out(tensor, 2)) + begin;
      for_vectors(end - begin, [&](std::int64_t i, auto part) {
        const Floats p = load(parameter + i, part) * shrink, g = load(gradient + i, part) + added * p;
        const Floats m = keep1 * load(first + i, part) + new1 * g, v = keep2 * load(second + i, part) + new2 * (g * g);
        store(first + i, m, part);
        store(second + i, v, part);
        store(parameter + i, p - step * m / (sqrt(v) * scale + epsilon), part);
      });
    });
  }};
}

const KernelRegistration sgd_kernel(Backend::cpu, "sgd_update", DType::f32, sgd_update);
const KernelRegistration adam_kernel(Backend::cpu, "adam_update", DType::f32, adam_update);

}  // namespace
}  // namespace ctrain::cpu
