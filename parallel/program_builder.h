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

  // An op of the graph on these blocks, its dimensions lying as assigned; make_step leaves it to the caller to append.
  void local(const Node& node, const Assignment& assignment, const std::vector<BlockId>& inputs,
             const std::vector<BlockId>& outputs) {
    append(make_step(node, assignment, inputs, outputs));
  }
  [[nodiscard]] LocalStep make_step(const Node& node, const Assignment& assignment, const std::vector<BlockId>& inputs,
                                    const std::vector<BlockId>& outputs) const;
  void append(LocalStep step) { program_->steps.emplace_back(std::move(step)); }
  void copy(CopyStep step) { program_->steps.emplace_back(std::move(step)); }
  // C[output] (+)= A B on local blocks.
  void product(BlockId a, BlockId b, BlockId output, bool accumulate);
  void sum(BlockId a, BlockId b, BlockId output);  // a + b, blocks of the same elements

  // The value in the next layout, one move away.
  BlockId move(BlockId from, const Move& move);

  // Collectives along the line of `axis` through this rank, or among some of its members; see CollectiveStep for who
  // has an input and an output.
  void collective(const CollectiveStep& step);

  // The logical indices that this rank holds of a dimension split over these axes; those of block `block` of `blocks`.
  [[nodiscard]] Segments segments(Name name, const Axes& split) const;
  [[nodiscard]] Segments segments_of_block(Name name, int blocks, int block) const;

 private:
  Program* program_;
  std::uint64_t seed_;
};

}  // namespace ctrain
