// sgd_update, adam_update (ops/definitions/optimizer_update.cpp): one pass over parameters, gradients and states, in
// memory's own pace. Learning rate and step are read where the kernel runs, so that recorded work goes on training.
// Gradients may be of a narrower type than parameters.
#include "ops/cuda/tensor_table.h"
#include "ops/cuda/types.h"
#include "ops/tensor_list.h"

namespace ctrain::cuda {
namespace {

using bf16 = __nv_bfloat16;

struct Sgd {
  float decay, momentum;
};

// p and v are read and overwritten; v is nullptr where there is no momentum.
template <typename P, typename G>
struct SgdTensor {
  P* p;
  const G* g;
  P* v;
};

template <typename P, typename G>
__global__ void __launch_bounds__(chunk_threads)
    update_sgd(const TensorTable<SgdTensor<P, G>> table, const Sgd rule, const StepState* state) {
  const auto rate = static_cast<float>(state->learning_rate);
  const bool first = state->step == 0;
  table.template each_vector<vector_width<P>>([&]<int n>(const SgdTensor<P, G>& tensor, std::int64_t i) {
    float parameters[n], directions[n];
    load(tensor.p + i, parameters);
    load(tensor.g + i, directions);
#pragma unroll
    for (int k = 0; k < n; ++k) directions[k] += rule.decay * parameters[k];
    if (tensor.v != nullptr) {
      float velocities[n];
      load(tensor.v + i, velocities);
#pragma unroll
      for (int k = 0; k < n; ++k) directions[k] += first ? 0 : rule.momentum * velocities[k];
      store(tensor.v + i, directions);
    }
#pragma unroll
    for (int k = 0; k < n; ++k) parameters[k] -= rate * directions[k];
    store(tensor.p + i, parameters);
  });
}

struct Adam {
  explicit Adam(const Attributes& attributes)
      : log_beta1(std::log(attributes.real("beta1"))),
        log_beta2(std::log(attributes.real("beta2"))),
        decay(attributes.real("decay")),
        beta1(static_cast<float>(attributes.real("beta1"))),
        beta2(static_cast<float>(attributes.real("beta2"))),
        new1(static_cast<float>(1 - attributes.real("beta1"))),
        new2(static_cast<float>(1 - attributes.real("beta2"))),
        epsilon(static_cast<float>(attributes.real("epsilon"))),
        decoupled(attributes.integer("decoupled") != 0) {}

  // 1 - βᵗ to fp32's last digits, for every thread without a power in fp64.
  __device__ static float correction(double log_beta, double t) { return -expm1f(static_cast<float>(log_beta * t)); }

  double log_beta1, log_beta2, decay;
  float beta1, beta2, new1, new2, epsilon;
  bool decoupled;
};

// p, m and v are read and overwritten.
template <typename P, typename G>
struct AdamTensor {
  P* p;
  const G* g;
  P *m, *v;
};

template <typename P, typename G>
__global__ void __launch_bounds__(chunk_threads)
    update_adam(const TensorTable<AdamTensor<P, G>> table, const Adam rule, const StepState* state) {
  // p -= rate / c1 * m / (sqrt(v) / sqrt(c2) + ε), c1 and c2 the corrections of the moments' bias
  const double rate = state->learning_rate, t = static_cast<double>(state->step + 1);
  const float step = static_cast<float>(rate) / Adam::correction(rule.log_beta1, t);
  const float scale = rsqrtf(Adam::correction(rule.log_beta2, t));
  const auto shrink = static_cast<float>(rule.decoupled ? 1 - rate * rule.decay : 1);
  const auto added = static_cast<float>(rule.decoupled ? 0 : rule.decay);
  table.template each_vector<vector_width<P>>([&]<int n>(const AdamTensor<P, G>& tensor, std::int64_t i) {
    float parameters[n], gradients[n], first[n], second[n];
    load(tensor.p + i, parameters);
    load(tensor.g + i, gradients);
    load(tensor.m + i, first);
    load(tensor.v + i, second);
#pragma unroll
    for (int k = 0; k < n; ++k) {
      parameters[k] *= shrink;
      gradients[k] += added * parameters[k];
      first[k] = rule.beta1 * first[k] + rule.new1 * gradients[k];
      second[k] = rule.beta2 * second[k] + rule.new2 * (gradients[k] * gradients[k]);
      parameters[k] -= step * first[k] / (sqrtf(second[k]) * scale + rule.epsilon);
    }
    store(tensor.m + i, first);
    store(tensor.v + i, second);
    store(tensor.p + i, parameters);
  });
}

// p, g or p, g, v of each tensor
template <typename P>
Kernel sgd_update(const LocalNode& node) {
  const TensorList list = updated_tensors(node);
  const bool has_velocity = list.inputs == 3;
  if (has_velocity) require_type(node, dtype_of<P>(), {2}, {});
  const Sgd rule{static_cast<float>(node.attributes.real("decay")),
                 static_cast<float>(has_velocity ? node.attributes.real("momentum") : 0)};
  return with_type<float, bf16, __half>(node, 1, [&]<typename G>() -> Kernel {
    return {[=](const Invocation& call) {
      const auto tensor = [&](std::size_t t) {
        return SgdTensor<P, G>{call.out<P>(list.out(t)), call.in<G>(list.in(t, 1)),
                               has_velocity ? call.out<P>(list.out(t, 1)) : nullptr};
      };
      for_tables(list.elements, tensor, [&](const auto& table) {
        launch_chunks("sgd_update", update_sgd<P, G>, call, table, rule, call.state);
      });
    }};
  });
}

// p, g, m, v of each tensor
template <typename P>
Kernel adam_update(const LocalNode& node) {
  require_type(node, dtype_of<P>(), {2, 3}, {});
  return with_type<float, bf16, __half>(node, 1, [&]<typename G>() -> Kernel {
    return {[list = updated_tensors(node), rule = Adam(node.attributes)](const Invocation& call) {
      const auto tensor = [&](std::size_t t) {
        return AdamTensor<P, G>{call.out<P>(list.out(t)), call.in<G>(list.in(t, 1)), call.out<P>(list.out(t, 1)),
                                call.out<P>(list.out(t, 2))};
      };
      for_tables(list.elements, tensor, [&](const auto& table) {
        launch_chunks("adam_update", update_adam<P, G>, call, table, rule, call.state);
      });
    }};
  });
}

const CudaKernel sgd_kernel("sgd_update", sgd_update<float>, sgd_update<bf16>, sgd_update<__half>);
const CudaKernel adam_kernel("adam_update", adam_update<float>, adam_update<bf16>, adam_update<__half>);

}  // namespace
}  // namespace ctrain::cuda
