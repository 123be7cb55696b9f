// What a fusion needs to know and to change in a program: who writes and who reads each block, and one step in place of
// several. Steps keep their positions while a fusion is at work; what it removed goes when the editor is finished.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "parallel/program.h"

namespace ctrain {

class ProgramEditor {
 public:
  explicit ProgramEditor(Program& program);

  [[nodiscard]] std::size_t size() const { return program_.steps.size(); }
  // The step at this position, where it is a local one that still stands; else nullptr. With an op: where it is of
  // that.
  [[nodiscard]] LocalStep* local(std::size_t i);
  [[nodiscard]] LocalStep* local(std::size_t i, const std::string& op);

  // Positions of the steps that read the block, ascending, a step once for each operand.
  [[nodiscard]] std::vector<std::size_t> readers(BlockId id) const;
  // The only step that writes the block, or -1.
  [[nodiscard]] std::ptrdiff_t writer(BlockId id) const;
  // The local step of this op that alone writes the block; nullptr where there is none.
  [[nodiscard]] LocalStep* producer(BlockId id, const std::string& op);
  // The first step of this op among those that read the block after position `from`, such that `fits`; -1: none.
  template <typename Fits>
  [[nodiscard]] std::ptrdiff_t reader_after(std::size_t from, BlockId id, const std::string& op, Fits fits) {
    for (const std::size_t i : readers(id))
      if (const LocalStep* step = i > from ? local(i, op) : nullptr; step != nullptr && fits(*step))
        return static_cast<std::ptrdiff_t>(i);
    return -1;
  }
  // Nobody but the step at i needs what a step of the same segment writes there.
  [[nodiscard]] bool only_reader(BlockId id, std::size_t i) const;
  [[nodiscard]] bool same_segment(std::size_t i, std::size_t j) const;
  // Between these two step i can be done at any position: the last step before it that writes what it reads, or reads
  // or writes what it writes (-1: none), and the first such step after it (size(): none).
  [[nodiscard]] std::ptrdiff_t last_dependency(std::size_t i) const;
  [[nodiscard]] std::size_t first_dependent(std::size_t i) const;
  // It is read after the last step.
  [[nodiscard]] bool is_kept(BlockId id) const { return block(id).keep; }
  [[nodiscard]] const Block& block(BlockId id) const { return program_.blocks[static_cast<std::size_t>(id)]; }

  // Makes the local step at i one of `op` on these blocks; attributes, extents and indices stay those of the step.
  void replace(std::size_t i, const std::string& op, const std::vector<BlockId>& inputs,
               const std::vector<BlockId>& outputs);
  void remove(std::size_t i);
  // Removes the local step at `part`, of whose dimensions the local step at i then knows too.
  void absorb(std::size_t i, std::size_t part);

  // Takes the removed steps out of the program.
  void finish();

 private:
  void note(std::size_t i);
  void forget(std::size_t i);

  Program& program_;
  std::vector<std::vector<std::size_t>> readers_, writers_;  // by block
  std::vector<bool> removed_;
};

}  // namespace ctrain
