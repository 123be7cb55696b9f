#include "parallel/tensor/summa.h"

namespace ctrain {
namespace {

// Block k of the line: this rank's own where it is member k, otherwise a panel that receives it.
BlockId broadcast_panel(ProgramBuilder& builder, BlockId own, Axis axis, int k) {
  CollectiveStep step{.collective = Collective::broadcast, .axis = axis, .root = k};
  const bool is_root = builder.coordinate(axis) == k;
  const BlockId panel = is_root ? own : builder.add_staging(Operand(builder.block(own).operand));
  (is_root ? step.input : step.output) = panel;
  builder.collective(step);
  return panel;
}

}  // namespace

void append_summa(ProgramBuilder& builder, SummaProduct product, BlockId a, BlockId b, BlockId c) {
  const Axis row = builder.mesh().axis("row"), col = builder.mesh().axis("col");
  const int q = builder.mesh().size(row);
  for (int k = 0; k < q; ++k) {
    const BlockId a_k = product == SummaProduct::ABt ? a : broadcast_panel(builder, a, col, k);
    const BlockId b_k = product == SummaProduct::AtB ? b : broadcast_panel(builder, b, row, k);
    if (product == SummaProduct::AB) {
      builder.product(a_k, b_k, c, k > 0);
      continue;
    }
    const BlockId part = builder.add_staging(Operand(builder.block(c).operand));
    builder.product(a_k, b_k, part, false);
    const Axis along = product == SummaProduct::ABt ? col : row;
    builder.collective({.collective = Collective::reduce,
                        .axis = along,
                        .root = k,
                        .input = part,
                        .output = builder.coordinate(along) == k ? c : -1});
  }
}

}  // namespace ctrain
