// matmul: each group of names (ops/gemm_groups.h) gets a table of offsets; the product is then a plain GEMM whose
// innermost loop runs over a packed, contiguous tile of columns.
// Every element is one chain of sums in double over K in order, so the result depends on no tile size.
#include <algorithm>

#include "ops/gemm_groups.h"
#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

constexpr std::int64_t packed_elements = 1 << 16;  // about half a level-2 cache of doubles
constexpr std::int64_t narrowest_tile = 32;

// sums[j] += Σ_k a[a_offsets[k]] packed[k, j]; four steps of K at a time save loads and stores of the sums.
template <typename T>
void add_products(const T* a, const std::vector<std::int64_t>& a_offsets, const double* packed, std::int64_t width,
                  double* __restrict sums) {
  const std::size_t depth = a_offsets.size();
  std::size_t k = 0;
  for (; k + 4 <= depth; k += 4, packed += 4 * width) {
    const double a0 = a[a_offsets[k]], a1 = a[a_offsets[k + 1]], a2 = a[a_offsets[k + 2]], a3 = a[a_offsets[k + 3]];
    const double *b0 = packed, *b1 = b0 + width, *b2 = b1 + width, *b3 = b2 + width;
    for (std::int64_t j = 0; j < width; ++j) {
      double sum = sums[j];
      sum += a0 * b0[j];
      sum += a1 * b1[j];
      sum += a2 * b2[j];
      sum += a3 * b3[j];
      sums[j] = sum;
    }
  }
  for (; k < depth; ++k, packed += width) {
    const double a0 = a[a_offsets[k]];
    for (std::int64_t j = 0; j < width; ++j) sums[j] += a0 * packed[j];
  }
}

template <typename T, typename Out>
Kernel matmul(const LocalNode& node) {
  const Operand &a = node.inputs[0], &b = node.inputs[1], &c = node.outputs[0];
  const EinsumNames names = einsum_names(a, b, c);
  const auto table = [&](const Operand& operand, const Names& dims) { return offsets(operand, dims, node.inputs); };
  const auto depth = static_cast<std::int64_t>(table(a, names.contracted).size());
  const std::int64_t tile = std::max(narrowest_tile, packed_elements / std::max<std::int64_t>(depth, 1));
  const auto run = [=, accumulate = node.accumulate, batch_a = table(a, names.batch), batch_b = table(b, names.batch),
                    batch_c = table(c, names.batch), rows_a = table(a, names.rows), rows_c = table(c, names.rows),
                    columns_b = table(b, names.columns), columns_c = table(c, names.columns),
                    contracted_a = table(a, names.contracted),
                    contracted_b = table(b, names.contracted)](const Invocation& call) {
    const auto n = static_cast<std::int64_t>(columns_b.size());
    auto* packed = static_cast<double*>(call.workspace);
    double* sums = packed + depth * std::min(tile, n);
    for (std::size_t batch_index = 0; batch_index < batch_a.size(); ++batch_index) {
      const T* in_a = call.in<T>(0) + batch_a[batch_index];
      const T* in_b = call.in<T>(1) + batch_b[batch_index];
      Out* out = call.out<Out>() + batch_c[batch_index];
      for (std::int64_t first = 0; first < n; first += tile) {
        const std::int64_t width = std::min(tile, n - first);
        const std::int64_t *tile_b = columns_b.data() + first, *tile_c = columns_c.data() + first;
        for (std::int64_t k = 0; k < depth; ++k)
          for (std::int64_t j = 0; j < width; ++j)
            packed[k * width + j] = in_b[contracted_b[static_cast<std::size_t>(k)] + tile_b[j]];
        for (std::size_t m = 0; m < rows_a.size(); ++m) {
          Out* out_row = out + rows_c[m];
          for (std::int64_t j = 0; j < width; ++j) sums[j] = accumulate ? static_cast<double>(out_row[tile_c[j]]) : 0;
          add_products(in_a + rows_a[m], contracted_a, packed, width, sums);
          for (std::int64_t j = 0; j < width; ++j) out_row[tile_c[j]] = static_cast<Out>(sums[j]);
        }
      }
    }
  };
  const std::int64_t widest = std::min(tile, static_cast<std::int64_t>(table(b, names.columns).size()));
  return {run, static_cast<std::size_t>((depth + 1) * widest) * sizeof(double)};
}

template <typename T>
Kernel any_matmul(const LocalNode& node) {
  return with_output_type<T>(node, [&]<typename Out>() { return matmul<T, Out>(node); });
}

const ReferenceKernel registration("matmul", []<typename T>() { return any_matmul<T>; });

}  // namespace
}  // namespace ctrain::reference
