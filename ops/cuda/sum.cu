// sum (ops/definitions/sum.cpp), in fp32 and always in the same order: parts of what is added up go to the workspace,
// and a second pass over these adds them.
#include <algorithm>

#include "ops/cuda/positions.h"
#include "ops/cuda/reductions.h"
#include "ops/cuda/types.h"
#include "ops/cuda/vectors.h"

namespace ctrain::cuda {
namespace {

constexpr int threads = 256, slices = threads / warp;
// Enough to fill any GPU, and so few that the second pass is short; not asked for, so that sums are alike on all.
constexpr std::int64_t blocks_wanted = 528;

// Positions along one loop: no division stands between one load and the next.
struct Line {
  __device__ std::int64_t operator()(std::int64_t index) const { return index * stride; }
  std::int64_t stride;
};

// One pass: out[target(k) + c chunk_stride] = sum over the indices i of chunk c of x[kept(k) + added(i)].
template <typename Place>
struct Pass {
  std::int64_t outputs = 1, addends = 1;  // how many there are of k and of i
  std::int64_t chunks = 1, chunk = 1;     // of how many addends; the last one may have fewer
  Place kept{}, added{}, target{};
  std::int64_t chunk_stride = 0;
};

// Where x's last dimension is kept: a lane has n neighbouring outputs, and the block's warps share the addends.
template <int n, typename T, typename Place>
__global__ void __launch_bounds__(threads) sum_columns(Pass<Place> pass, const T* __restrict__ x, Numbers out) {
  __shared__ float parts[slices][n][warp];
  const int lane = static_cast<int>(threadIdx.x) % warp, slice = static_cast<int>(threadIdx.x) / warp;
  const std::int64_t first = (std::int64_t{blockIdx.x} * warp + lane) * n;
  const std::int64_t begin = blockIdx.y * pass.chunk, end = min(begin + pass.chunk, pass.addends);
  float sum[n] = {};
  if (first < pass.outputs) {
    const T* column = x + pass.kept(first);
#pragma unroll 4
    for (std::int64_t i = begin + slice; i < end; i += slices) {
      float values[n];
      load(column + pass.added(i), values);
#pragma unroll
      for (int k = 0; k < n; ++k) sum[k] += values[k];
    }
  }
#pragma unroll
  for (int k = 0; k < n; ++k) parts[slice][k][lane] = sum[k];
  __syncthreads();
  if (slice != 0 || first >= pass.outputs) return;
#pragma unroll
  for (int k = 0; k < n; ++k) {
    float total = 0;
    for (int i = 0; i < slices; ++i) total += parts[i][k][lane];
    out.set(pass.target(first + k) + blockIdx.y * pass.chunk_stride, total);
  }
}

// Where x's last dimension is added up: a block has one output, and a thread n neighbouring addends at a time.
template <int n, typename T, typename Place>
__global__ void __launch_bounds__(threads) sum_rows(Pass<Place> pass, const T* __restrict__ x, Numbers out) {
  const T* row = x + pass.kept(blockIdx.x);
  const std::int64_t begin = blockIdx.y * pass.chunk, end = min(begin + pass.chunk, pass.addends);
  float sum = 0;
#pragma unroll 4
  for (std::int64_t i = begin + threadIdx.x * n; i < end; i += threads * n) {
    float values[n];
    load(row + pass.added(i), values);
#pragma unroll
    for (int k = 0; k < n; ++k) sum += values[k];
  }
  sum = reduce<Sum, threads>(sum);
  if (threadIdx.x == 0) out.set(pass.target(blockIdx.x) + blockIdx.y * pass.chunk_stride, sum);
}

template <int n, typename T, typename Place>
void enqueue_as(const Invocation& call, bool by_columns, const Pass<Place>& pass, const T* x, Numbers out) {
  if (pass.outputs == 0) return;
  const auto blocks = static_cast<unsigned>(by_columns ? blocks_for(pass.outputs, warp * n) : pass.outputs);
  launch("sum", by_columns ? sum_columns<n, T, Place> : sum_rows<n, T, Place>,
         dim3(blocks, static_cast<unsigned>(pass.chunks)), threads, 0, stream_of(call), pass, x, out);
}

template <int n, typename T>
void enqueue(const Invocation& call, bool by_columns, const Pass<Positions>& pass, const T* x, Numbers out) {
  const auto& [outputs, addends, chunks, chunk, kept, added, target, chunk_stride] = pass;
  if (!kept.is_line() || !added.is_line() || !target.is_line()) return enqueue_as<n>(call, by_columns, pass, x, out);
  const Pass<Line> lines{
      outputs,     addends, chunks, chunk, {kept.line_stride()}, {added.line_stride()}, {target.line_stride()},
      chunk_stride};
  enqueue_as<n>(call, by_columns, lines, x, out);
}

// As many chunks as make the wanted number of blocks, each with some work for all threads; of whole vectors.
void split(Pass<Positions>& pass, bool by_columns, int width) {
  const std::int64_t work = by_columns ? 8 * slices : 4 * threads * width;
  const std::int64_t blocks = std::max<std::int64_t>(by_columns ? pass.outputs / (warp * width) : pass.outputs, 1);
  const std::int64_t wanted = std::min(blocks_wanted / blocks, pass.addends / work);
  if (wanted <= 1) return;
  pass.chunk = (pass.addends / wanted / width + 1) * width;
  pass.chunks = (pass.addends + pass.chunk - 1) / pass.chunk;
}

template <typename T>
Kernel sum(const LocalNode& node) {
  constexpr int width = vector_width<T>;
  const Operand &x = node.inputs[0], &y = node.outputs[0];
  Names kept, added;
  for (const Name name : x.dims) (y.dims.contains(name) ? kept : added).push_back(name);
  const bool by_columns = !x.dims.empty() && y.dims.contains(x.dims.back());

  Pass<Positions> first{.outputs = y.elements(), .kept{kept, x, x}, .added{added, x, x}, .target{kept, x, y}};
  for (const Name name : added) first.addends *= x.extent(name);
  first.chunk = first.addends;
  const bool is_vector = by_columns ? first.kept.is_contiguous(width) && first.added.is_aligned(width)
                                    : first.added.is_contiguous(width) && first.kept.is_aligned(width);
  split(first, by_columns, width);

  // Parts lie as [chunk, output] or as [output, chunk], so that the second pass goes over them in the same way.
  const bool in_parts = first.chunks > 1;
  Pass<Positions> second{
      .outputs = first.outputs, .addends = first.chunks, .chunk = first.chunks, .target = first.target};
  if (in_parts) {
    const std::int64_t output_stride = by_columns ? 1 : first.chunks;
    first.chunk_stride = by_columns ? first.outputs : 1;
    first.target = second.kept = Positions(first.outputs, output_stride);
    second.added = Positions(first.chunks, first.chunk_stride);
  }
  const auto run = [=, types = OperandTypes(node)](const Invocation& call) {
    const Numbers parts{call.workspace, DType::f32}, out = types.out(call);
    const auto add_up = is_vector ? enqueue<width, T> : enqueue<1, T>;
    add_up(call, by_columns, first, call.in<T>(0), in_parts ? parts : out);
    if (in_parts) enqueue<1>(call, by_columns, second, static_cast<const float*>(call.workspace), out);
  };
  return {run, in_parts ? static_cast<std::size_t>(first.outputs * first.chunks) * sizeof(float) : 0};
}

const CudaKernel sum_registration("sum", sum<float>, sum<__nv_bfloat16>, sum<__half>);

}  // namespace
}  // namespace ctrain::cuda
