// add, bias, activation, activation_grad (ops/definitions/elementwise.cpp), in one pass over their operands each.
#include "memory/error.h"
#include "ops/cpu/functions.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/split.h"

namespace ctrain::cpu {
namespace {

Kernel add(const LocalNode& node) {
  const Split split = split_elements(node.outputs[0].elements());
  return {[=](const Invocation& call) {
    auto* y = call.out<float>();
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for_vectors(end - begin, [&](std::int64_t i, auto part) {
        Floats total = load(call.in<float>(0) + begin + i, part);
        for (std::size_t term = 1; term < call.inputs.size(); ++term)
          total += load(call.in<float>(term) + begin + i, part);
        store(y + begin + i, total, part);
      });
    });
  }};
}

// x is rows of what b has; a part of the flat tensor may begin in the middle of a row.
Kernel bias(const LocalNode& node) {
  if (!is_suffix(node.inputs[1], node.inputs[0])) return reference_kernel(node);
  const std::int64_t width = node.inputs[1].elements();
  const Split split = split_elements(node.outputs[0].elements());
  return {[=](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t length = 0; begin < end; begin += length) {
        const std::int64_t column = begin % width;
        length = std::min(width - column, end - begin);
        const float *x = call.in<float>(0) + begin, *b = call.in<float>(1) + column;
        float* y = call.out<float>() + begin;
        for_vectors(length,
                    [&](std::int64_t i, auto part) { store(y + i, load(x + i, part) + load(b + i, part), part); });
      }
    });
  }};
}

struct Gelu {
  static Floats value(Floats x) { return x * normal(x).cumulative; }
  static Floats derivative(Floats x) {
    const Normal at = normal(x);
    return x * at.density + at.cumulative;
  }
};
struct GeluTanh {
  static constexpr auto scale = static_cast<float>(2 * M_2_SQRTPI * M_SQRT1_2), cubic = 0.044715F;
  static Floats decay(Floats x) { return exp((x * x * cubic + 1.0F) * x * -scale); }
  static Floats value(Floats x) { return x / (1.0F + decay(x)); }
  static Floats derivative(Floats x) {
    const Floats e = decay(x), at = 1.0F / (1.0F + e);
    return at + x * (e * at) * at * ((x * x * (3 * cubic) + 1.0F) * scale);
  }
};
struct Relu {
  static Floats value(Floats x) { return larger(x, Floats{}); }
  static Floats derivative(Floats x) { return x > 0.0F ? broadcast(1) : Floats{}; }
};
struct Tanh {
  static Floats value(Floats x) { return tanh(x); }
  static Floats derivative(Floats x) { return 1.0F - tanh(x) * tanh(x); }
};

template <typename Function>
Kernel activation(const LocalNode& node) {
  const Split split = split_elements(node.outputs[0].elements());
  return {[=](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      const float* x = call.in<float>(0) + begin;
      float* y = call.out<float>() + begin;
      for_vectors(end - begin,
                  [&](std::int64_t i, auto part) { store(y + i, Function::value(load(x + i, part)), part); });
    });
  }};
}

template <typename Function>
Kernel activation_grad(const LocalNode& node) {
  const Split split = split_elements(node.outputs[0].elements());
  return {[=](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      const float *x = call.in<float>(0) + begin, *dy = call.in<float>(1) + begin;
      float* dx = call.out<float>() + begin;
      for_vectors(end - begin, [&](std::int64_t i, auto part) {
        store(dx + i, load(dy + i, part) * Function::derivative(load(x + i, part)), part);
      });
    });
  }};
}

template <typename Make>
Kernel with_activation(const LocalNode& node, const Make& make) {
  const std::string& kind = node.attributes.text("kind");
  if (kind == "gelu") return make.template operator()<Gelu>();
  if (kind == "gelu_tanh") return make.template operator()<GeluTanh>();
  if (kind == "relu") return make.template operator()<Relu>();
  require(kind == "tanh", "no activation '{}'", kind);
  return make.template operator()<Tanh>();
}

Kernel any_activation(const LocalNode& node) {
  return with_activation(node, [&]<typename Function>() { return activation<Function>(node); });
}

Kernel any_activation_grad(const LocalNode& node) {
  return with_activation(node, [&]<typename Function>() { return activation_grad<Function>(node); });
}

const KernelRegistration add_kernel(Backend::cpu, "add", DType::f32, add);
const KernelRegistration bias_kernel(Backend::cpu, "bias", DType::f32, bias);
const KernelRegistration activation_kernel(Backend::cpu, "activation", DType::f32, any_activation);
const KernelRegistration activation_grad_kernel(Backend::cpu, "activation_grad", DType::f32, any_activation_grad);

}  // namespace
}  // namespace ctrain::cpu
