#include "ops/gemm_groups.h"

namespace ctrain {
namespace {

// A group of dimensions as one; nothing where its names are not one run in `operand`.
std::optional<StridedDimension> run_in(const Operand& operand, const Names& group) {
  StridedDimension run{1, 1};
  if (group.empty()) return run;
  run.stride = operand.stride(group.back());
  for (std::size_t i = group.size(); i-- > 0;) {
    if (operand.stride(group[i]) != run.stride * run.extent) return std::nullopt;
    run.extent *= operand.extent(group[i]);
  }
  return run;
}

std::optional<StridedMatrix> matrix(const Operand& operand, const Names& batch, const Names& rows,
                                    const Names& columns) {
  const auto outer = run_in(operand, batch), row = run_in(operand, rows), column = run_in(operand, columns);
  if (!outer || !row || !column) return std::nullopt;
  StridedMatrix result{*outer, *row, *column};
  // A dimension of extent one has whatever stride makes the matrix an ordinary one.
  if (column->extent == 1) result.columns.stride = 1;
  if (row->extent == 1) result.rows.stride = column->extent * result.columns.stride;
  if (outer->extent == 1) result.batch.stride = row->extent * column->extent;
  return result;
}

}  // namespace

EinsumNames einsum_names(const Operand& a, const Operand& b, const Operand& c) {
  EinsumNames names;
  for (const Name name : c.dims) {
    const bool in_a = a.dims.contains(name), in_b = b.dims.contains(name);
    (in_a && in_b ? names.batch : in_a ? names.rows : names.columns).push_back(name);
  }
  for (const Operand* operand : {&a, &b})
    for (const Name name : operand->dims)
      if (!c.dims.contains(name) && !names.contracted.contains(name)) names.contracted.push_back(name);
  return names;
}

std::optional<Gemm> gemm_of(const LocalNode& node) {
  const Operand &c = node.outputs[0], *a = &node.inputs[0], *b = &node.inputs[1];
  if (c.dims.empty()) return std::nullopt;
  Gemm gemm;
  gemm.swapped = a->dims.contains(c.dims.back());
  if (gemm.swapped) std::swap(a, b);
  const auto [batch, rows, columns, contracted] = einsum_names(*a, *b, c);
  for (const Name name : contracted)
    if (!a->dims.contains(name) || !b->dims.contains(name)) return std::nullopt;
  const auto matrix_a = matrix(*a, batch, rows, contracted), matrix_b = matrix(*b, batch, contracted, columns);
  const auto matrix_c = matrix(c, batch, rows, columns);
  if (!matrix_a || !matrix_b || !matrix_c) return std::nullopt;
  if (a->elements() == 0 || b->elements() == 0) return std::nullopt;
  gemm.a = *matrix_a;
  gemm.b = *matrix_b;
  gemm.c = *matrix_c;
  gemm.row_names = rows;
  gemm.column_names = columns;
  gemm.batched = !batch.empty();
  return gemm;
}

}  // namespace ctrain
