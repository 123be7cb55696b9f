#include "parallel/tensor/summa.h"

namespace ctrain {
namespace {

// One operand, of which every round takes block k of the line along `axis`.
class Panels {
 public:
  Panels(ProgramBuilder& builder, BlockId own, Axis axis) : builder_(builder), own_(own), axis_(axis) {}

  // This rank's own block where it is member k, otherwise the panel that receives member k's: the same one every round.
  BlockId broadcast(int k) {
    CollectiveStep step{.collective = Collective::broadcast, .axis = axis_, .root = k};
    const bool is_root = builder_.coordinate(axis_) == k;
    if (!is_root && panel_ < 0) panel_ = builder_.add_staging(Operand(builder_.block(own_).operand));
    (is_root ? step.input : step.output) = is_root ? own_ : panel_;
    builder_.collective(step);
    return is_root ? own_ : panel_;
  }

 private:
  ProgramBuilder& builder_;
  BlockId own_, panel_ = -1;
  Axis axis_;
};

}  // namespace

void append_summa(ProgramBuilder& builder, SummaProduct product, BlockId a, BlockId b, BlockId c) {
  const Axis row = builder.mesh().axis("row"), col = builder.mesh().axis("col");
  const int q = builder.mesh().size(row);
  Panels a_panels(builder, a, col), b_panels(builder, b, row);
  const BlockId part =
      product == SummaProduct::AB ? -1 : builder.add_staging(Operand(builder.block(c).operand));  // one for all rounds
  for (int k = 0; k < q; ++k) {
    const BlockId a_k = product == SummaProduct::ABt ? a : a_panels.broadcast(k);
    const BlockId b_k = product == SummaProduct::AtB ? b : b_panels.broadcast(k);
    if (product == SummaProduct::AB) {
      builder.product(a_k, b_k, c, k > 0);
      continue;
    }
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
