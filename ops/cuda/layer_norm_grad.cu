// Layer norm backwards: the ops of a row that may be split (ops/definitions/layer_norm.cpp), and the whole of it at
// once,
//   layer_norm_grad_fused   dy, x, sum, squares, weight -> dx, dweight, dbias
// which reads dy and x once. What is summed over all rows is added in two stages, in an order that depends on nothing
// but the shape and the GPU's number of multiprocessors: each block writes its part to the workspace, then the parts
// are added. dx may take dy's memory: nobody reads dy where it has been written.
#include <algorithm>
#include <optional>

#include "ops/cuda/layer_norm.h"

namespace ctrain::cuda {
namespace {

constexpr int part_threads = 256, add_threads = 512;
// Columns that a thread can add up in registers beside its part of dy and x.
constexpr int most_held_columns = 32;
constexpr int most_multiprocessors = 160;

// Blocks that a multiprocessor has registers for, of threads that add up this many columns each.
constexpr int resident_blocks(int held_columns) { return held_columns <= 8 ? 4 : held_columns <= 24 ? 2 : 1; }

// One row of dy and x. Sums: Σ dy γ and Σ dy γ x̂.
template <typename Shape, int held, typename T, typename W>
class GradientRow {
 public:
  // The rows are asked for first: the moments are not to be waited for before.
  __device__ GradientRow(const NormalRows& rows, std::int64_t row, const T* dy, const T* x, Numbers sums,
                         Numbers squares, const W* weight)
      : rows_(rows),
        dy_(dy + row * rows.width, rows.width),
        x_(x + row * rows.width, rows.width),
        moments_(rows.moments(sums[row], squares[row])),
        weight_(weight) {}

  // Calls visit(i, dy, x̂) for each access.
  template <typename Visit>
  __device__ void add_sums(float (&sums)[2], const Visit& visit) const {
    each_access<Shape, held>(rows_.width, [&](int i, int column) {
      float dy[n], normal[n], scaled[n];
      load(i, column, dy, normal, scaled);
      rows_.clear_padding(scaled, column);
#pragma unroll
      for (int k = 0; k < n; ++k) {
        sums[0] += scaled[k];
        sums[1] += scaled[k] * normal[k];
      }
      visit(i, dy, normal);
    });
    reduce<Sum, Shape::group>(sums);
  }
  __device__ void input(const float (&sums)[2], T* dx) const {
    const float mean = rows_.mean(sums[0]), mean_normal = rows_.mean(sums[1]);
    each_access<Shape, held>(rows_.width, [&](int i, int column) {
      float dy[n], normal[n], scaled[n];
      load(i, column, dy, normal, scaled);
#pragma unroll
      for (int k = 0; k < n; ++k) scaled[k] = moments_.rstd * (scaled[k] - mean - normal[k] * mean_normal);
      rows_.clear_padding(scaled, column);
      store(dx + column, scaled);
    });
  }

 private:
  static constexpr int n = Shape::width;
  __device__ void load(int i, int column, float (&dy)[n], float (&normal)[n], float (&scaled)[n]) const {
    dy_.load(i, column, dy);
    x_.load(i, column, normal);
    cuda::load(weight_ + column, scaled);
#pragma unroll
    for (int k = 0; k < n; ++k) {
      normal[k] = moments_.normal(normal[k]);
      scaled[k] *= dy[k];
    }
  }

  const NormalRows& rows_;
  RowPart<T, Shape, held> dy_, x_;
  RowMoments moments_;
  const W* weight_;
};

template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    sum_rows(NormalRows rows, const T* __restrict__ dy, const T* __restrict__ x, Numbers sums, Numbers squares,
             const W* __restrict__ weight, Numbers scaled, Numbers scaled_normal) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  float totals[2] = {};
  GradientRow<Shape, 0, T, W>(rows, row, dy, x, sums, squares, weight)
      .add_sums(totals, [](int, const auto&, const auto&) {});
  if (Shape::thread() != 0) return;
  scaled.set(row, totals[0]);
  scaled_normal.set(row, totals[1]);
}

template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    input_rows(NormalRows rows, const T* dy, const T* __restrict__ x, Numbers sums, Numbers squares,
               const W* __restrict__ weight, Numbers scaled, Numbers scaled_normal, T* dx) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  GradientRow<Shape, 0, T, W>(rows, row, dy, x, sums, squares, weight)
      .input({scaled[row], scaled_normal[row]}, dx + row * rows.width);
}

// Both at once, for rows that registers do not hold.
template <typename Shape, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads)
    sum_and_input_rows(NormalRows rows, const T* dy, const T* __restrict__ x, Numbers sums, Numbers squares,
                       const W* __restrict__ weight, T* dx) {
  const std::int64_t row = Shape::row();
  if (row >= rows.count) return;
  const GradientRow<Shape, 0, T, W> gradient(rows, row, dy, x, sums, squares, weight);
  float totals[2] = {};
  gradient.add_sums(totals, [](int, const auto&, const auto&) {});
  gradient.input(totals, dx + row * rows.width);
}

// put(column, total) for each of `width` columns, of which every warp's threads hold totals of their own.
template <typename Shape, int held, typename Put>
__device__ void add_groups(const float (&totals)[held][Shape::width], int width, const Put& put) {
  constexpr int n = Shape::width, columns = Shape::group * n;
  if constexpr (Shape::rows_at_once == 1) {
    each_access<Shape, held>(width, [&](int i, int column) {
#pragma unroll
      for (int k = 0; k < n; ++k) put(column + k, totals[i][k]);
    });
  } else {
    __shared__ Vector<float, n> of_group[Shape::rows_at_once][Shape::group];
    const int own_group = static_cast<int>(threadIdx.x) / Shape::group;
#pragma unroll
    for (int i = 0; i < held; ++i) {
      __syncthreads();
      store(of_group[own_group][Shape::thread()].elements, totals[i]);
      __syncthreads();
      for (int j = static_cast<int>(threadIdx.x); j < columns && i * columns + j < width; j += Shape::threads) {
        float total = 0;
        for (int group = 0; group < Shape::rows_at_once; ++group) total += of_group[group][j / n].elements[j % n];
        put(i * columns + j, total);
      }
    }
  }
}

// dx of all rows, and the block's part of Σ dy x̂ and Σ dy.
template <typename Shape, int held, typename T, typename W>
__global__ void __launch_bounds__(Shape::threads, resident_blocks(held* Shape::width))
    gradient_rows(NormalRows rows, const T* dy, const T* __restrict__ x, Numbers sums, Numbers squares,
                  const W* __restrict__ weight, T* dx, float* parts) {
  constexpr int n = Shape::width;
  rows.whole = true;  // told to the compiler: no code for padding
  float dweight[held][n] = {}, dbias[held][n] = {};
  for (std::int64_t row = Shape::row(); row < rows.count; row += std::int64_t{gridDim.x} * Shape::rows_at_once) {
    const GradientRow<Shape, held, T, W> gradient(rows, row, dy, x, sums, squares, weight);
    float totals[2] = {};
    gradient.add_sums(totals, [&](int i, const float(&dy_values)[n], const float(&normal)[n]) {
#pragma unroll
      for (int k = 0; k < n; ++k) {
        dweight[i][k] += dy_values[k] * normal[k];
        dbias[i][k] += dy_values[k];
      }
    });
    gradient.input(totals, dx + row * rows.width);
  }
  float* part = parts + std::int64_t{blockIdx.x} * 2 * rows.width;
  add_groups<Shape>(dweight, rows.width, [&](int column, float total) { part[column] = total; });
  add_groups<Shape>(dbias, rows.width, [&](int column, float total) { part[rows.width + column] = total; });
}

// Parts of Σ dy x̂, and behind it of Σ dy where `with_bias`: blockIdx.x is a run of columns, blockIdx.y a share of rows.
template <typename Shape, typename T>
__global__ void __launch_bounds__(Shape::threads)
    weight_parts(NormalRows rows, const T* __restrict__ dy, const T* __restrict__ x, Numbers sums, Numbers squares,
                 bool with_bias, float* __restrict__ parts) {
  constexpr int n = Shape::width;
  const int first = static_cast<int>(blockIdx.x) * Shape::group * n, column = first + Shape::thread() * n;
  float dweight[1][n] = {}, dbias[1][n] = {};
  if (column < rows.width) {
    const std::int64_t stride = std::int64_t{gridDim.y} * Shape::rows_at_once;
    for (std::int64_t row = std::int64_t{blockIdx.y} * Shape::rows_at_once + threadIdx.x / Shape::group;
         row < rows.count; row += stride) {
      const RowMoments moments = rows.moments(sums[row], squares[row]);
      float dy_values[n], x_values[n];
      load(dy + row * rows.width + column, dy_values);
      load(x + row * rows.width + column, x_values);
#pragma unroll
      for (int k = 0; k < n; ++k) {
        dweight[0][k] += dy_values[k] * moments.normal(x_values[k]);
        dbias[0][k] += dy_values[k];
      }
    }
    rows.clear_padding(dweight[0], column);
    rows.clear_padding(dbias[0], column);
  }
  float* part = parts + std::int64_t{blockIdx.y} * (with_bias ? 2 : 1) * rows.width + first;
  add_groups<Shape>(dweight, rows.width - first, [&](int at, float total) { part[at] = total; });
  if (!with_bias) return;
  add_groups<Shape>(dbias, rows.width - first, [&](int at, float total) { part[rows.width + at] = total; });
}

// Adds up parts of `columns` numbers each: the first `width` of them are those of dweight, the others of dbias.
template <typename Shape>
__global__ void __launch_bounds__(Shape::threads)
    add_parts(const float* __restrict__ parts, int count, int columns, int width, Numbers dweight, Numbers dbias) {
  const int first = static_cast<int>(blockIdx.x) * Shape::group, column = first + Shape::thread();
  float totals[1][1] = {};
  if (column < columns)
    for (std::int64_t part = threadIdx.x / Shape::group; part < count; part += Shape::rows_at_once)
      totals[0][0] += parts[part * columns + column];
  add_groups<Shape>(totals, columns - first, [&](int at, float total) {
    if (first + at < width)
      dweight.set(first + at, total);
    else
      dbias.set(first + at - width, total);
  });
}

void enqueue_add_parts(const Invocation& call, int count, int columns, int width, Numbers dweight, Numbers dbias) {
  using Shape = RowShape<1, warp, add_threads>;
  if (columns > 0)
    launch("layer_norm_grad add_parts", add_parts<Shape>, blocks_for(columns, Shape::group), Shape::threads, 0,
           stream_of(call), static_cast<const float*>(call.workspace), count, columns, width, dweight, dbias);
}

// Σ dy x̂ and, where there are two outputs, Σ dy, of rows of any width.
template <typename T>
class ColumnSums {
 public:
  ColumnSums(const NormalRows& rows, int outputs) : rows_(rows), outputs_(outputs) {
    constexpr int rows_a_part = 64, most_parts = 256;
    parts_ = static_cast<int>(std::clamp<std::int64_t>(rows.count / rows_a_part, 1, most_parts));
    if (rows.width % vector_width<T> == 0)
      set<RowShape<vector_width<T>, warp, part_threads>>();
    else
      set<RowShape<1, warp, part_threads>>();
  }
  [[nodiscard]] std::size_t workspace() const {
    return static_cast<std::size_t>(parts_) * static_cast<std::size_t>(columns()) * sizeof(float);
  }
  void enqueue(const Invocation& call, Numbers sums, Numbers squares, Numbers dweight, Numbers dbias) const {
    if (rows_.width == 0) return;
    const dim3 blocks(static_cast<unsigned>(column_blocks_), static_cast<unsigned>(parts_));
    launch("layer_norm_grad weight_parts", kernel_, blocks, part_threads, 0, stream_of(call), rows_, call.in<T>(0),
           call.in<T>(1), sums, squares, outputs_ == 2, static_cast<float*>(call.workspace));
    enqueue_add_parts(call, parts_, columns(), rows_.width, dweight, dbias);
  }

 private:
  [[nodiscard]] int columns() const { return outputs_ * rows_.width; }
  template <typename Shape>
  void set() {
    kernel_ = weight_parts<Shape, T>;
    column_blocks_ = blocks_for(rows_.width, Shape::group * Shape::width);
  }

  NormalRows rows_;
  int outputs_, parts_, column_blocks_ = 0;
  void (*kernel_)(NormalRows, const T*, const T*, Numbers, Numbers, bool, float*) = nullptr;
};

// A kernel whose blocks all run at once and take rows until none is left.
template <typename T, typename W>
struct ResidentKernel {
  template <typename Shape, int held>
  static ResidentKernel of(const Rows& rows) {
    return {gradient_rows<Shape, held, T, W>, resident_blocks(held * Shape::width), std::max(1, Shape::blocks(rows))};
  }
  // What there is work for, and this GPU has room for.
  [[nodiscard]] int blocks(int multiprocessors) const {
    return std::min(wanted, resident * std::min(multiprocessors, most_multiprocessors));
  }

  void (*kernel)(NormalRows, const T*, const T*, Numbers, Numbers, const W*, T*, float*);
  int resident;  // blocks on a multiprocessor
  int wanted;
};

// Nothing where registers do not hold the rows.
template <typename T, typename W>
std::optional<ResidentKernel<T, W>> resident_kernel(const Rows& rows) {
  constexpr int n = vector_width<T>;
  using Narrow = RowShape<n, warp, part_threads>;
  using Wide = RowShape<n, part_threads, part_threads>;
  const int narrow = blocks_for(rows.width / n, warp), wide = blocks_for(rows.width / n, part_threads);
  if (rows.width % n != 0 || wide * n > most_held_columns) return std::nullopt;
  if (narrow * n <= most_held_columns)
    return with_at_least<16 / n, 24 / n, most_held_columns / n>(
        narrow, [&](auto held) { return ResidentKernel<T, W>::template of<Narrow, held()>(rows); });
  return with_at_least<8 / n, 16 / n, most_held_columns / n>(
      wide, [&](auto held) { return ResidentKernel<T, W>::template of<Wide, held()>(rows); });
}

int multiprocessors() {
  int device = 0, count = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  return count;
}

// dy, x, sum, squares, weight -> Σ dy γ, Σ dy γ x̂
template <typename T, typename W>
Kernel grad_sums_of(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {});
  const NormalRows rows = normal_rows(node);
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, sum_rows<Shape, T, W>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_grad_sums", call, rows, call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3),
           call.in<W>(4), types.out(call, 0), types.out(call, 1));
  }};
}
template <typename T>
Kernel grad_sums(const LocalNode& node) {
  return with_type<T, float>(node, 4, [&]<typename W>() { return grad_sums_of<T, W>(node); });
}

// dy, x, sum, squares, weight, sums 0, sums 1 -> dx
template <typename T, typename W>
Kernel grad_input_of(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {0});
  const NormalRows rows = normal_rows(node);
  const auto kernel =
      with_row_shape<T>(rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, input_rows<Shape, T, W>); });
  return {[=, types = OperandTypes(node)](const Invocation& call) {
    kernel("layer_norm_grad_input", call, rows, call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3),
           call.in<W>(4), types.in(call, 5), types.in(call, 6), call.out<T>());
  }};
}
template <typename T>
Kernel grad_input(const LocalNode& node) {
  return with_type<T, float>(node, 4, [&]<typename W>() { return grad_input_of<T, W>(node); });
}

// dy, x, sum, squares -> dγ
template <typename T>
Kernel grad_weight(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {});
  const ColumnSums<T> sums(normal_rows(node), 1);
  const auto run = [=, types = OperandTypes(node)](const Invocation& call) {
    sums.enqueue(call, types.in(call, 2), types.in(call, 3), types.out(call), types.out(call));
  };
  return {run, sums.workspace()};
}

// In one pass over dy and x.
template <typename T, typename W>
Kernel grad_resident(const NormalRows& rows, const ResidentKernel<T, W>& kernel, const OperandTypes& types) {
  const auto run = [=](const Invocation& call) {
    const int blocks = kernel.blocks(multiprocessors());
    launch("layer_norm_grad_fused", kernel.kernel, blocks, part_threads, 0, stream_of(call), rows, call.in<T>(0),
           call.in<T>(1), types.in(call, 2), types.in(call, 3), call.in<W>(4), call.out<T>(0),
           static_cast<float*>(call.workspace));
    enqueue_add_parts(call, blocks, 2 * rows.width, rows.width, types.out(call, 1), types.out(call, 2));
  };
  return {run, static_cast<std::size_t>(kernel.blocks(most_multiprocessors)) * 2 *
                   static_cast<std::size_t>(rows.width) * sizeof(float)};
}

// dx last: it may take dy's memory.
template <typename T, typename W>
Kernel grad_composed(const NormalRows& rows, const OperandTypes& types) {
  const ColumnSums<T> sums(rows, 2);
  const auto kernel = with_row_shape<T>(
      rows, [&]<typename Shape>(Shape) { return row_kernel<Shape>(rows, sum_and_input_rows<Shape, T, W>); });
  const auto run = [=](const Invocation& call) {
    sums.enqueue(call, types.in(call, 2), types.in(call, 3), types.out(call, 1), types.out(call, 2));
    kernel("layer_norm_grad_fused", call, rows, call.in<T>(0), call.in<T>(1), types.in(call, 2), types.in(call, 3),
           call.in<W>(4), call.out<T>());
  };
  return {run, sums.workspace()};
}

template <typename T, typename W>
Kernel grad_fused_of(const LocalNode& node) {
  require_type(node, dtype_of<T>(), {1}, {0});
  const NormalRows rows = normal_rows(node);
  require(rows.whole, "{}: a fused layer norm of rows with padding", node.name);
  const OperandTypes types(node);
  const auto kernel = resident_kernel<T, W>(rows);
  return kernel ? grad_resident(rows, *kernel, types) : grad_composed<T, W>(rows, types);
}
template <typename T>
Kernel grad_fused(const LocalNode& node) {
  return with_type<T, float>(node, 4, [&]<typename W>() { return grad_fused_of<T, W>(node); });
}

using bf16 = __nv_bfloat16;
const CudaKernel sums("layer_norm_grad_sums", grad_sums<float>, grad_sums<bf16>, grad_sums<__half>);
const CudaKernel input("layer_norm_grad_input", grad_input<float>, grad_input<bf16>, grad_input<__half>);
const CudaKernel weight("layer_norm_grad_weight", grad_weight<float>, grad_weight<bf16>, grad_weight<__half>);
const CudaKernel fused("layer_norm_grad_fused", grad_fused<float>, grad_fused<bf16>, grad_fused<__half>);

}  // namespace
}  // namespace ctrain::cuda
