// dropout (ops/definitions/dropout.cpp); ops/dropout_mask.h says which elements are kept.
#include "ops/cuda/map.h"
#include "ops/cuda/positions.h"
#include "ops/cuda/types.h"

namespace ctrain::cuda {
namespace {

template <typename T>
struct Dropped {
  template <int n>
  __device__ void operator()(std::int64_t element, float (&y)[n]) const {
    load(x + element, y);
    if (!mask.active) return;
    const std::uint64_t key = mask.key(state);
    const std::int64_t first = index(element);
    if (n == 1 || !index.grows()) {
      const float factor = mask.factor(key, first);
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] *= factor;
    } else if (n % 4 == 0 && first % 4 == 0) {
#pragma unroll
      for (int k = 0; k < n; k += 4) {
        const auto words = philox(key, static_cast<std::uint64_t>(first + k) / 4);
#pragma unroll
        for (int j = 0; j < 4 && k + j < n; ++j) y[k + j] *= mask.factor_of_word(words[j]);
      }
    } else {  // a block that starts in the midst of four that are drawn together
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] *= mask.factor(key, first + k);
    }
  }
  const T* x;
  const StepState* state;
  DeviceMask mask;
  LogicalIndex index;
};

template <typename T>
Kernel dropout(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {0}, {0});
  constexpr int width = vector_width<T>;
  const LogicalIndex index(node, node.inputs[0], Names(node.attributes.text("over")));
  const DeviceMask mask(node, node.attributes.real("rate"));
  return {[=, elements = node.outputs[0].elements()](const Invocation& call) {
    const Dropped<T> dropped{call.in<T>(0), call.state, mask, index};
    if (index.is_regular(width)) {
      map<width>("dropout", call, elements, dropped, call.out<T>());
    } else {
      map<1>("dropout", call, elements, dropped, call.out<T>());
    }
  }};
}

const CudaKernel registration("dropout", dropout<float>, dropout<__nv_bfloat16>, dropout<__half>);

}  // namespace
}  // namespace ctrain::cuda
