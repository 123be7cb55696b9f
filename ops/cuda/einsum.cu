#include "ops/cuda/einsum.h"

#include "ops/cuda/launch.h"
#include "ops/gemm_groups.h"

namespace ctrain::cuda {
namespace {

constexpr int tile = 32, depth = 16;  // of rows and columns; of contracted elements at a time
constexpr int side = 16;              // threads along each of rows and columns; a thread has 2 x 2 elements of C

enum OperandIndex { in_a, in_b, in_c, in_bias, operands };

// A group of dimensions as nested loops, slowest first, with the strides of every operand (0 where it lacks the name).
struct Loops {
  int count = 0;
  std::int64_t total = 1;
  std::int64_t extents[Names::capacity], strides[operands][Names::capacity];

  [[nodiscard]] __device__ std::int64_t offset(OperandIndex operand, std::int64_t index) const {
    std::int64_t sum = 0;
    for (int i = count - 1; i >= 0; --i) {
      sum += index % extents[i] * strides[operand][i];
      index /= extents[i];
    }
    return sum;
  }
};

struct Product {
  Loops batch, rows, columns, contracted;
  bool accumulate = false;
};

template <typename T, typename Out>
__global__ void __launch_bounds__(side* side)
    einsum_tiles(Product product, const T* a, const T* b, const Out* bias, Out* c) {
  __shared__ float tile_a[depth][tile + 1], tile_b[depth][tile + 1];
  __shared__ std::int64_t rows_a[tile], columns_b[tile], depth_a[depth], depth_b[depth];
  const std::int64_t column_tiles = (product.columns.total + tile - 1) / tile;
  const std::int64_t row_tiles = (product.rows.total + tile - 1) / tile;
  const std::int64_t first_column = blockIdx.x % column_tiles * tile;
  const std::int64_t first_row = blockIdx.x / column_tiles % row_tiles * tile;
  const std::int64_t batch = blockIdx.x / column_tiles / row_tiles;
  const int thread = static_cast<int>(threadIdx.x), x = thread % side, y = thread / side;

  if (thread < tile) {
    rows_a[thread] = product.rows.offset(in_a, first_row + thread);
    columns_b[thread] = product.columns.offset(in_b, first_column + thread);
  }
  const T* batch_a = a + product.batch.offset(in_a, batch);
  const T* batch_b = b + product.batch.offset(in_b, batch);
  float sums[2][2] = {};
  for (std::int64_t first = 0; first < product.contracted.total; first += depth) {
    if (thread < depth) {
      depth_a[thread] = product.contracted.offset(in_a, first + thread);
      depth_b[thread] = product.contracted.offset(in_b, first + thread);
    }
    __syncthreads();
    for (int i = thread; i < depth * tile; i += side * side) {
      const int k = i / tile, j = i % tile;
      const bool within = first + k < product.contracted.total;
      const bool row = within && first_row + j < product.rows.total;
      const bool column = within && first_column + j < product.columns.total;
      tile_a[k][j] = row ? to_float(batch_a[rows_a[j] + depth_a[k]]) : 0.0F;
      tile_b[k][j] = column ? to_float(batch_b[columns_b[j] + depth_b[k]]) : 0.0F;
    }
    __syncthreads();
    for (int k = 0; k < depth; ++k)
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) sums[i][j] += tile_a[k][y + side * i] * tile_b[k][x + side * j];
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      const std::int64_t row = first_row + y + side * i, column = first_column + x + side * j;
      if (row >= product.rows.total || column >= product.columns.total) continue;
      const auto offset = [&](OperandIndex operand) {
        return product.batch.offset(operand, batch) + product.rows.offset(operand, row) +
               product.columns.offset(operand, column);
      };
      Out& element = c[offset(in_c)];
      float sum = sums[i][j];
      if (bias != nullptr) sum += to_float(bias[offset(in_bias)]);
      if (product.accumulate) sum += to_float(element);
      element = from_float<Out>(sum);
    }
}

Loops loops_over(const Names& names, const std::vector<const Operand*>& operand_list) {
  Loops loops;
  for (const Name name : names) {
    const int i = loops.count++;
    for (std::size_t operand = 0; operand < operand_list.size(); ++operand) {
      loops.strides[operand][i] = operand_list[operand]->stride(name);
      if (operand_list[operand]->dims.contains(name)) loops.extents[i] = operand_list[operand]->extent(name);
    }
    loops.total *= loops.extents[i];
  }
  return loops;
}

template <typename T, typename Out>
Kernel kernel_of(const LocalNode& node) {
  const Operand &a = node.inputs[0], &b = node.inputs[1], &c = node.outputs[0];
  const bool with_bias = node.inputs.size() == 3;
  std::vector<const Operand*> list{&a, &b, &c};
  if (with_bias) list.push_back(&node.inputs[2]);
  const EinsumNames names = einsum_names(a, b, c);
  const Product product{loops_over(names.batch, list), loops_over(names.rows, list), loops_over(names.columns, list),
                        loops_over(names.contracted, list), node.accumulate};
  const std::int64_t tiles =
      product.batch.total * ((product.rows.total + tile - 1) / tile) * ((product.columns.total + tile - 1) / tile);
  return {[=](const Invocation& call) {
    if (tiles == 0) return;
    launch("einsum", einsum_tiles<T, Out>, blocks_for(tiles, 1), side * side, 0, stream_of(call), product,
           call.in<T>(0), call.in<T>(1), with_bias ? call.in<Out>(2) : nullptr, call.out<Out>());
  }};
}

}  // namespace

Kernel einsum(const LocalNode& node) {
  const DType type = node.inputs[0].dtype, result = node.outputs[0].dtype;
  bool fits = node.inputs[1].dtype == type && (result == type || result == DType::f32);
  if (node.inputs.size() == 3) fits = fits && node.inputs[2].dtype == result;
  if (fits && type == DType::f32) return kernel_of<float, float>(node);
  if (fits && type == DType::bf16)
    return result == type ? kernel_of<__nv_bfloat16, __nv_bfloat16>(node) : kernel_of<__nv_bfloat16, float>(node);
  if (fits && type == DType::f16)
    return result == type ? kernel_of<__half, __half>(node) : kernel_of<__half, float>(node);
  throw running_error("{}: no product of {} and {} to {} on CUDA", node.name, name_of(type),
                      name_of(node.inputs[1].dtype), name_of(result));
}

}  // namespace ctrain::cuda
