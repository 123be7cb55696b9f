// add, bias, cast, activation, activation_grad, divide (ops/definitions/elementwise.cpp).
#include "ops/cuda/map.h"
#include "ops/cuda/positions.h"
#include "ops/cuda/tensor_table.h"
#include "ops/cuda/types.h"
#include "ops/tensor_list.h"

namespace ctrain::cuda {
namespace {

constexpr int most_terms = 64;  // of one launch

template <typename T>
struct Added {
  template <int n>
  __device__ void operator()(std::int64_t first, float (&y)[n]) const {
    load(terms[0] + first, y);
    for (int term = 1; term < count; ++term) {
      float x[n];
      load(terms[term] + first, x);
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] += x[k];
    }
  }
  int count;
  const T* terms[most_terms];
};

// What one launch cannot take is added to its sum by the next.
template <typename T>
Kernel add(const LocalNode& node) {
  for (std::size_t i = 0; i < node.inputs.size(); ++i) require_type(node, dtype_of<T>(), {i}, {0});
  return {[elements = node.outputs[0].elements()](const Invocation& call) {
    for (std::size_t next = 0; next < call.inputs.size();) {
      Added<T> added{0, {}};
      if (next > 0) added.terms[added.count++] = call.out<T>();
      while (next < call.inputs.size() && added.count < most_terms) added.terms[added.count++] = call.in<T>(next++);
      map<vector_width<T>>("add", call, elements, added, call.out<T>());
    }
  }};
}

template <typename From, typename To>
struct CastTensor {
  const From* x;
  To* y;
};

template <typename From, typename To>
__global__ void __launch_bounds__(chunk_threads) cast_tensors(const TensorTable<CastTensor<From, To>> table) {
  table.template each_vector<vector_width<float>>([&]<int n>(const CastTensor<From, To>& tensor, std::int64_t i) {
    float values[n];
    load(tensor.x + i, values);
    store(tensor.y + i, values);
  });
}

template <typename From, typename To>
Kernel cast_to(const LocalNode& node) {
  return {[list = operand_tensors(node)](const Invocation& call) {
    const auto tensor = [&](std::size_t t) { return CastTensor<From, To>{call.in<From>(t), call.out<To>(t)}; };
    for_tables(list.elements, tensor,
               [&](const auto& table) { launch_chunks("cast", cast_tensors<From, To>, call, table); });
  }};
}

template <typename From>
Kernel cast(const LocalNode& node) {
  require_type(node, dtype_of<From>(), {0}, {});
  switch (node.outputs.at(0).dtype) {
    case DType::f32:
      return cast_to<From, float>(node);
    case DType::bf16:
      return cast_to<From, __nv_bfloat16>(node);
    case DType::f16:
      return cast_to<From, __half>(node);
    default:
      refuse_type(node, "output", 0, node.outputs[0].dtype);
  }
}

// x and a bias that is broadcast. One access reads as many neighbours of the bias as of x, or one number for all of
// them.
template <typename T, typename W>
struct Biased {
  template <int n>
  __device__ void operator()(std::int64_t first, float (&y)[n]) const {
    load(x + first, y);
    const std::int64_t at = positions(first);
    if (is_constant) {
      const float b = to_float(bias[at]);
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] += b;
    } else {
      float b[n];
      load(bias + at, b);
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] += b[k];
    }
  }
  const T* x;
  const W* bias;
  Positions positions;
  bool is_constant;
};

template <typename T, typename W>
Kernel bias_of(const LocalNode& node) {
  constexpr int width = vector_width<T>;
  const Positions positions(node.inputs[0], node.inputs[1]);
  const bool is_constant = positions.is_constant(width), is_vector = is_constant || positions.is_contiguous(width);
  return {[=, elements = node.outputs[0].elements()](const Invocation& call) {
    const Biased<T, W> biased{call.in<T>(0), call.in<W>(1), positions, is_constant};
    if (is_vector) {
      map<width>("bias", call, elements, biased, call.out<T>());
    } else {
      map<1>("bias", call, elements, biased, call.out<T>());
    }
  }};
}

template <typename T>
Kernel bias(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0}, {0});
  return with_type<T, float>(node, 1, [&]<typename W>() { return bias_of<T, W>(node); });
}

// The exact one, by Abramowitz and Stegun's 7.1.26 (to 1.5e-7, as good as fp32): its one exponential is also the
// derivative's, which with erff() computes about as long as it reads and writes.
struct Gelu {
  __device__ static float exponential(float x) { return exp2f(static_cast<float>(-0.5 * M_LOG2E) * x * x); }
  __device__ static float cdf(float x, float exponential) {
    const float t = __fdividef(1.0F, 1 + static_cast<float>(0.3275911 * M_SQRT1_2) * fabsf(x));
    const float series =
        t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F))));
    const float tail = 0.5F * series * exponential;
    return x < 0 ? tail : 1 - tail;
  }
  __device__ static float value(float x) { return x * cdf(x, exponential(x)); }
  __device__ static float derivative(float x) {
    constexpr auto density_of_0 = static_cast<float>(0.5 * M_2_SQRTPI * M_SQRT1_2);
    const float e = exponential(x);
    return cdf(x, e) + x * density_of_0 * e;
  }
};
struct GeluTanh {  // GPT-2's
  static constexpr auto scale = static_cast<float>(2 * M_2_SQRTPI * M_SQRT1_2), cubic = 0.044715F;
  __device__ static float value(float x) { return __fdividef(x, 1 + expf(-scale * x * (1 + cubic * x * x))); }
  __device__ static float derivative(float x) {
    const float e = expf(-scale * fabsf(x) * (1 + cubic * x * x));  // cannot overflow
    const float at = __fdividef(1.0F, 1 + e);
    return (x < 0 ? e * at : at) + x * e * at * at * scale * (1 + 3 * cubic * x * x);
  }
};
struct Relu {
  __device__ static float value(float x) { return x > 0 ? x : 0; }
  __device__ static float derivative(float x) { return x > 0 ? 1.0F : 0.0F; }
};
struct Tanh {
  __device__ static float value(float x) { return tanhf(x); }
  __device__ static float derivative(float x) {
    const float y = tanhf(x);
    return 1 - y * y;
  }
};

template <typename Make>
Kernel with_activation(const LocalNode& node, const Make& make) {
  const std::string& kind = node.attributes.text("kind");
  if (kind == "gelu") return make.template operator()<Gelu>();
  if (kind == "gelu_tanh") return make.template operator()<GeluTanh>();
  if (kind == "relu") return make.template operator()<Relu>();
  require(kind == "tanh", "no activation '{}'", kind);
  return make.template operator()<Tanh>();
}

template <typename T, typename Activation>
struct Activated {
  template <int n>
  __device__ void operator()(std::int64_t first, float (&y)[n]) const {
    load(x + first, y);
#pragma unroll
    for (int k = 0; k < n; ++k) y[k] = Activation::value(y[k]);
  }
  const T* x;
};

template <typename T>
Kernel activation(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0}, {0});
  return with_activation(node, [&]<typename Activation>() {
    return Kernel{[elements = node.outputs[0].elements()](const Invocation& call) {
      map<vector_width<T>>("activation", call, elements, Activated<T, Activation>{call.in<T>(0)}, call.out<T>());
    }};
  });
}

template <typename T, typename Activation>
struct ActivationGradient {
  template <int n>
  __device__ void operator()(std::int64_t first, float (&dx)[n]) const {
    float at[n];
    load(x + first, at);
    load(dy + first, dx);
#pragma unroll
    for (int k = 0; k < n; ++k) dx[k] *= Activation::derivative(at[k]);
  }
  const T *x, *dy;
};

template <typename T>
Kernel activation_grad(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0, 1}, {0});
  return with_activation(node, [&]<typename Activation>() {
    return Kernel{[elements = node.outputs[0].elements()](const Invocation& call) {
      const ActivationGradient<T, Activation> gradient{call.in<T>(0), call.in<T>(1)};
      map<vector_width<T>>("activation_grad", call, elements, gradient, call.out<T>());
    }};
  });
}

__global__ void divide_scalars(Numbers a, Numbers b, Numbers y) { y.set(0, a[0] / b[0]); }

Kernel divide_kernel(const LocalNode& node) {
  return {[types = OperandTypes(node)](const Invocation& call) {
    launch("divide", divide_scalars, 1, 1, 0, stream_of(call), types.in(call, 0), types.in(call, 1), types.out(call));
  }};
}

const CudaKernel add_registration("add", add<float>, add<__nv_bfloat16>, add<__half>);
const CudaKernel cast_registration("cast", cast<float>, cast<__nv_bfloat16>, cast<__half>);
const CudaKernel bias_registration("bias", bias<float>, bias<__nv_bfloat16>, bias<__half>);
const CudaKernel activation_registration("activation", activation<float>, activation<__nv_bfloat16>,
                                         activation<__half>);
const CudaKernel activation_grad_registration("activation_grad", activation_grad<float>, activation_grad<__nv_bfloat16>,
                                              activation_grad<__half>);
const CudaKernel divide_registration("divide", divide_kernel, divide_kernel, divide_kernel);

}  // namespace
}  // namespace ctrain::cuda
