// sgd_update, adam_update (ops/definitions/optimizer_update.cpp): one pass over parameter, gradient and states, in
// memory's own pace. Learning rate and step are read where the kernel runs, so that recorded work goes on training. The
// gradient may be of a narrower type than the parameter.
#include "ops/cuda/types.h"
#include "ops/cuda/vectors.h"

namespace ctrain::cuda {
namespace {

using bf16 = __nv_bfloat16;

constexpr int threads = 256;

// body(i, number of elements at i as a constant) for all elements, each by one thread.
template <int n, typename Body>
__device__ void each_vector(std::int64_t elements, const Body& body) {
  const std::int64_t thread = std::int64_t{blockIdx.x} * threads + threadIdx.x, whole = elements / n;
  if (thread < whole) body.template operator()<n>(thread * n);
  if (thread == whole)
    for (std::int64_t i = whole * n; i < elements; ++i) body.template operator()<1>(i);
}
// Threads of each_vector: one for each vector, and one for the elements behind the last.
template <int n>
int blocks_for_elements(std::int64_t elements) {
  return blocks_for(elements / n + 1, threads);
}

struct Sgd {
  float decay, momentum;
};

// p and v are read and overwritten; v is nullptr where there is no momentum.
template <typename P, typename G>
__global__ void __launch_bounds__(threads)
    update_sgd(std::int64_t elements, Sgd rule, const StepState* __restrict__ state, P* __restrict__ p,
               const G* __restrict__ g, P* __restrict__ v) {
  const auto rate = static_cast<float>(state->learning_rate);
  const bool first = state->step == 0;
  each_vector<vector_width<P>>(elements, [&]<int n>(std::int64_t i) {
    float parameters[n], directions[n];
    load(p + i, parameters);
    load(g + i, directions);
#pragma unroll
    for (int k = 0; k < n; ++k) directions[k] += rule.decay * parameters[k];
    if (v != nullptr) {
      float velocities[n];
      load(v + i, velocities);
#pragma unroll
      for (int k = 0; k < n; ++k) directions[k] += first ? 0 : rule.momentum * velocities[k];
      store(v + i, directions);
    }
#pragma unroll
    for (int k = 0; k < n; ++k) parameters[k] -= rate * directions[k];
    store(p + i, parameters);
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
__global__ void __launch_bounds__(threads)
    update_adam(std::int64_t elements, Adam rule, const StepState* __restrict__ state, P* __restrict__ p,
                const G* __restrict__ g, P* __restrict__ m, P* __restrict__ v) {
  // p -= rate / c1 * m / (sqrt(v) / sqrt(c2) + ε), c1 and c2 the corrections of the moments' bias
  const double rate = state->learning_rate, t = static_cast<double>(state->step + 1);
  const float step = static_cast<float>(rate) / Adam::correction(rule.log_beta1, t);
  const float scale = rsqrtf(Adam::correction(rule.log_beta2, t));
  const auto shrink = static_cast<float>(rule.decoupled ? 1 - rate * rule.decay : 1);
  const auto added = static_cast<float>(rule.decoupled ? 0 : rule.decay);
  each_vector<vector_width<P>>(elements, [&]<int n>(std::int64_t i) {
    float parameters[n], gradients[n], first[n], second[n];
    load(p + i, parameters);
    load(g + i, gradients);
    load(m + i, first);
    load(v + i, second);
#pragma unroll
    for (int k = 0; k < n; ++k) {
      parameters[k] *= shrink;
      gradients[k] += added * parameters[k];
      first[k] = rule.beta1 * first[k] + rule.new1 * gradients[k];
      second[k] = rule.beta2 * second[k] + rule.new2 * (gradients[k] * gradients[k]);
      parameters[k] -= step * first[k] / (sqrtf(second[k]) * scale + rule.epsilon);
    }
    store(m + i, first);
    store(v + i, second);
    store(p + i, parameters);
  });
}

// p, g or p, g, v
template <typename P>
Kernel sgd_update(const LocalNode& node) {
  const bool has_velocity = node.inputs.size() == 3;
  if (has_velocity) require_type(node, dtype_of<P>(), {2}, {});
  const Sgd rule{static_cast<float>(node.attributes.real("decay")),
                 static_cast<float>(has_velocity ? node.attributes.real("momentum") : 0)};
  const std::int64_t elements = node.outputs[0].elements();
  return with_type<float, bf16, __half>(node, 1, [&]<typename G>() -> Kernel {
    return {[=](const Invocation& call) {
      launch("sgd_update", update_sgd<P, G>, blocks_for_elements<vector_width<P>>(elements), threads, 0,
             stream_of(call), elements, rule, call.state, call.out<P>(0), call.in<G>(1),
             has_velocity ? call.out<P>(1) : nullptr);
    }};
  });
}

// p, g, m, v
template <typename P>
Kernel adam_update(const LocalNode& node) {
  require_type(node, dtype_of<P>(), {2, 3}, {});
  const std::int64_t elements = node.outputs[0].elements();
  return with_type<float, bf16, __half>(node, 1, [&]<typename G>() -> Kernel {
    return {[=, rule = Adam(node.attributes)](const Invocation& call) {
      launch("adam_update", update_adam<P, G>, blocks_for_elements<vector_width<P>>(elements), threads, 0,
             stream_of(call), elements, rule, call.state, call.out<P>(0), call.in<G>(1), call.out<P>(1),
             call.out<P>(2));
    }};
  });
}

const CudaKernel sgd_kernel("sgd_update", sgd_update<float>, sgd_update<bf16>, sgd_update<__half>);
const CudaKernel adam_kernel("adam_update", adam_update<float>, adam_update<bf16>, adam_update<__half>);

}  // namespace
}  // namespace ctrain::cuda
