// Appends blocks and steps to one rank's program. The partition pass and the algorithms beside it (SUMMA) write with
// it; it knows the rank's coordinate, they need not.
#pragma once

#include <map>

#include "parallel/program.h"
#include "parallel/redistribute.h"

namespace ctrain {

using Assignment = std::map<Name, Axes>;  // how an op's dimensions lie on the mesh while it runs

class ProgramBuilder {
 public:
  ProgramBuilder(Program& program, std::uint64_t seed);

  [[nodiscard]] const Block& block(BlockId id) const { return program_->blocks[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Mesh& mesh() const { return program_->mesh; }
  [[nodiscard]] int coordinate(Axis axis) const { return program_->mesh.coordinate(program_->rank, axis); }

  BlockId add_block(const Value* value, const Names& dims, DType dtype, const Layout& layout,
                    Block::Storage storage = Block::Storage::arena);
  // A buffer without a logical value: a panel, or packed parts.
  BlockId add_staging(const Operand& operand);

  // An op of the graph on these blocks, its dimensions lying as assigned.
  void local(const Node& node, const Assignment& assignment, const std::vector<BlockId>& inputs,
             const std::vector<BlockId>& outputs);
  // C[output] (+)= A B on local blocks.
  void product(BlockId a, BlockId b, BlockId output, bool accumulate);

  // The value in the next layout, one move away.
  BlockId move(BlockId from, const Move& move);

  // Collectives along the line of `axis` through this rank; see CollectiveStep for who has an input and an output.
  void collective(const CollectiveStep& step);

  [[nodiscard]] Segments segments(Name name, const Axes& split) const;

 private:
  void copy(BlockId from, BlockId to, std::vector<CopyStep::Loop> loops, std::int64_t from_offset);

  Program* program_;
  std::uint64_t seed_;
};

}  // namespace ctrain
