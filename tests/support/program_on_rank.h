// For tests: a program in fp64 on its rank, with logical tensors going in and coming out.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "parallel/block_runs.h"
#include "runtime/executor.h"

namespace ctrain::test {

using LogicalTensor = std::vector<double>;  // row-major, in the order of the value's dimensions

inline std::int64_t logical_elements(const Program& program, const Names& dims) {
  std::int64_t product = 1;
  for (const Name name : dims) product *= program.dimensions.extent(name);
  return product;
}

// A tensor to collect into: nothing is known yet.
inline LogicalTensor unknown_tensor(const Program& program, const Names& dims) {
  return LogicalTensor(static_cast<std::size_t>(logical_elements(program, dims)), NAN);
}

// The block that the program's rank holds of a tensor; padding is zero.
template <typename T>
void cut_block(const Program& program, const ctrain::Block& block, const LogicalTensor& whole, T* part) {
  std::fill_n(part, block.operand.elements(), T{0});
  visit_runs(program, program.rank, block, block.operand.dims, [&](const BlockRun& run) {
    for (std::int64_t i = 0; i < run.length; ++i)
      part[run.local + i] = static_cast<T>(whole[static_cast<std::size_t>(run.logical + i * run.stride)]);
  });
}

// Writes a block to its places in the tensor; false where something else stands there: replicas must be equal to the
// bit.
template <typename T>
bool collect_block(const Program& program, const ctrain::Block& block, const T* part, LogicalTensor& whole) {
  bool equal = true;
  visit_runs(program, program.rank, block, block.operand.dims, [&](const BlockRun& run) {
    for (std::int64_t i = 0; i < run.length; ++i) {
      double& place = whole[static_cast<std::size_t>(run.logical + i * run.stride)];
      const auto value = static_cast<double>(part[run.local + i]);
      equal = equal && (std::isnan(place) || place == value);
      place = value;
    }
  });
  return equal;
}

// Memory, communicators and executor of a program whose feeds the test writes itself. Everything is NaN at first, so
// that a number which nobody wrote shows.
class ProgramOnRank {
 public:
  ProgramOnRank(Program program, Communicator& world)
      : compiled_(compile(std::move(program), Backend::reference)),
        on_(make_cpu_device()),
        store_(*on_.device, compiled_.program),
        arena_(*on_.device, static_cast<std::size_t>(compiled_.memory.arena_bytes)),
        mesh_(compiled_.program.mesh, compiled_.program.groups, world),
        executor_(compiled_, store_, arena_.data(), mesh_, on_) {
    if (arena_.size() > 0) std::memset(arena_.data(), 0xff, arena_.size());
  }

  [[nodiscard]] const Program& program() const { return compiled_.program; }
  [[nodiscard]] const ctrain::Block& block(BlockId id) const {
    return compiled_.program.blocks[static_cast<std::size_t>(id)];
  }
  template <typename T = double>
  [[nodiscard]] T* data(BlockId id) const {
    return reinterpret_cast<T*>(executor_.data(id));
  }
  [[nodiscard]] const MeshCommunicators& mesh() const { return mesh_; }
  void run(const StepState& state = {}) { executor_.run(state); }

 private:
  CompiledProgram compiled_;
  RankDevice on_;
  ParameterStore store_;
  ctrain::Buffer arena_;
  MeshCommunicators mesh_;
  Executor executor_;
};

}  // namespace ctrain::test
