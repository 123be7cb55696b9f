// cross_entropy_fused (ops/reference/fused.cpp): all that a softmax cross-entropy wants of a row of logits in one pass,
// with an online sum of exponents (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018); and
// cross_entropy_grad (ops/definitions/losses.cpp).
#include "ops/cuda/class_rows.h"

namespace ctrain::cuda {
namespace {

constexpr int nowhere = std::numeric_limits<int>::max();

// Of the logits that a thread, or several, have seen. A NaN is no maximum, but the sum of exponents keeps it.
struct Seen {
  float largest = -INFINITY;
  float sum_exp = 0;    // Σ exp(x - largest)
  float sum = 0;        // of the logits, where the target wants it
  int place = nowhere;  // the first column of the largest

  template <int n>
  __device__ void add(int column, const float (&x)[n], bool with_sum) {
    float most = x[0];
#pragma unroll
    for (int k = 1; k < n; ++k) most = fmaxf(most, x[k]);
    if (most > largest) {
      sum_exp *= expf(largest - most);
      largest = most;
#pragma unroll
      for (int k = n - 1; k >= 0; --k)
        if (x[k] == most) place = column + k;
    }
    const float from = origin();
#pragma unroll
    for (int k = 0; k < n; ++k) sum_exp += expf(x[k] - from);
    if (!with_sum) return;
#pragma unroll
    for (int k = 0; k < n; ++k) sum += x[k];
  }
  __device__ void add(const Seen& other) {
    const float before = largest;
    if (other.largest > largest || (other.largest == largest && other.place < place)) place = other.place;
    largest = fmaxf(largest, other.largest);
    sum_exp = sum_exp * expf(before - origin()) + other.sum_exp * expf(other.largest - origin());
    sum += other.sum;
  }
  __device__ Seen of_lane(int distance) const {
    Seen other;
    other.largest = __shfl_xor_sync(0xffffffffU, largest, distance);
    other.sum_exp = __shfl_xor_sync(0xffffffffU, sum_exp, distance);
    other.sum = __shfl_xor_sync(0xffffffffU, sum, distance);
    other.place = __shfl_xor_sync(0xffffffffU, place, distance);
    return other;
  }
  // Where nothing or only -infinity was seen, differences from the largest would be NaN.
  [[nodiscard]] __device__ float origin() const { return largest == -INFINITY ? 0.0F : largest; }
};

// What a warp or a whole block has seen, for its first thread.
template <int threads>
__device__ Seen all_seen(Seen seen) {
  const auto reduce_warp = [&] {
#pragma unroll
    for (int distance = warp / 2; distance > 0; distance /= 2) seen.add(seen.of_lane(distance));
  };
  reduce_warp();
  if constexpr (threads > warp) {
    constexpr int warps = threads / warp;
    __shared__ float largest[warps], sum_exp[warps], sum[warps];
    __shared__ int place[warps];
    const int lane = static_cast<int>(threadIdx.x) % warp, own = static_cast<int>(threadIdx.x) / warp;
    if (lane == 0)
      largest[own] = seen.largest, sum_exp[own] = seen.sum_exp, sum[own] = seen.sum, place[own] = seen.place;
    __syncthreads();
    seen = Seen();
    if (lane < warps) seen = {largest[lane], sum_exp[lane], sum[lane], place[lane]};
    reduce_warp();
  }
  return seen;
}

struct LossRows {
  Numbers nll, largest, sum_exp, correct;  // the last without data where it is not wanted
};

template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads) loss_rows(Rows rows, Target target, const T* __restrict__ x,
                                                            const std::int32_t* __restrict__ labels, LossRows out) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const T* own = x + row * rows.width;
  Seen seen;
  each_vector<Shape>(own, rows.width,
                     [&]<int n>(int column, float(&values)[n]) { seen.add(column, values, target.of_each != 0); });
  seen = all_seen<Shape::group>(seen);
  if (Shape::thread() != 0) return;
  const std::int32_t label = labels[row];
  const int column = label < 0 ? -1 : rows.column(label);
  const float wanted = target.of_each * seen.sum + (column < 0 ? 0 : target.of_label * to_float(own[column]));
  const float loss = label < 0 ? 0 : logf(seen.sum_exp) + seen.largest - wanted;
  out.nll.set(row, loss);
  out.largest.set(row, seen.largest);
  out.sum_exp.set(row, seen.sum_exp);
  if (out.correct.data != nullptr) out.correct.set(row, label >= 0 && seen.place == label ? 1.0F : 0.0F);
}

// x and dx begin at multiples of 16 bytes, so that a row of one is aligned as that of the other is.
template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    gradient_rows(Rows rows, Target target, const T* __restrict__ x, Numbers maxima, Numbers sums,
                  const std::int32_t* __restrict__ labels, Numbers count, T* __restrict__ dx) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const std::int32_t label = labels[row];
  const int label_column = label < 0 ? -1 : rows.column(label);
  const float largest = maxima[row], inverse = 1 / sums[row], scale = 1 / count[0];
  T* own = dx + row * rows.width;
  each_vector<Shape>(x + row * rows.width, rows.width, [&]<int n>(int column, float(&values)[n]) {
#pragma unroll
    for (int k = 0; k < n; ++k) {
      const float wanted = target.of_each + (column + k == label_column ? target.of_label : 0);
      values[k] = label < 0 ? 0 : (expf(values[k] - largest) * inverse - wanted) * scale;
    }
    rows.clear_padding(values, column);
    store(own + column, values);
  });
}

// x, labels -> nll, m, e (, correct)
template <typename T>
Kernel cross_entropy(const LocalNode& node) {
  const Rows rows = rows_of(node, node.inputs[0]);
  require(rows.whole && rows.width == rows.indices.extent, "{}: classes are not whole", node.name);
  const auto kernel =
      with_group<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, loss_rows<Shape, T>); });
  return {[=, target = Target(node), types = OperandTypes(node)](const Invocation& call) {
    const Numbers none{nullptr, DType::f32};
    kernel("cross_entropy", call, rows, target, call.in<T>(0), call.in<std::int32_t>(1),
           LossRows{types.out(call, 0), types.out(call, 1), types.out(call, 2),
                    call.outputs.size() > 3 ? types.out(call, 3) : none});
  }};
}

// x, m, e, labels, count -> dx
template <typename T>
Kernel cross_entropy_grad(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {}, {0});
  const Rows rows = rows_of(node, node.inputs[0]);
  const auto kernel =
      with_group<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, gradient_rows<Shape, T>); });
  return {[=, target = Target(node), types = OperandTypes(node)](const Invocation& call) {
    kernel("cross_entropy_grad", call, rows, target, call.in<T>(0), types.in(call, 1), types.in(call, 2),
           call.in<std::int32_t>(3), types.in(call, 4), call.out<T>());
  }};
}

const CudaKernel loss_kernel("cross_entropy_fused", cross_entropy<float>, cross_entropy<__nv_bfloat16>,
                             cross_entropy<__half>);
const CudaKernel gradient_kernel("cross_entropy_grad", cross_entropy_grad<float>, cross_entropy_grad<__nv_bfloat16>,
                                 cross_entropy_grad<__half>);

}  // namespace
}  // namespace ctrain::cuda
