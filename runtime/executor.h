// The executor runs one rank's program. It knows no layout: every step was bound to addresses, kernels and
// communicators before the first run, and a run is a walk down the list that allocates nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "memory/device.h"
#include "ops/kernel.h"
#include "parallel/comm/communicator.h"
#include "parallel/program.h"
#include "runtime/memory_plan.h"

namespace ctrain {

// The communicator of every mesh axis (nullptr for axes of one rank), seen from one rank.
class MeshCommunicators {
 public:
  MeshCommunicators(const Mesh& mesh, Communicator& world);  // collective over the world
  [[nodiscard]] Communicator* along(Axis axis) const { return lines_[axis].get(); }

 private:
  std::vector<std::unique_ptr<Communicator>> lines_;
};

// Parameters and optimizer states of one rank; training and evaluation run on the same ones.
class ParameterStore {
 public:
  ParameterStore(Device& device, const Program& program);
  [[nodiscard]] std::byte* data(const std::string& name) const;
  [[nodiscard]] std::size_t bytes() const { return buffer_.size(); }

 private:
  Buffer buffer_;
  std::map<std::string, std::byte*> data_;
};

// A program with its kernels made and its memory planned; nothing is allocated yet.
struct CompiledProgram {
  Program program;
  std::vector<Kernel> kernels;  // per step; empty for other steps
  MemoryPlan memory;
};
[[nodiscard]] CompiledProgram compile(Program program, Backend backend, DType real);

class Executor {
 public:
  // `arena` has at least compiled.memory.arena_bytes. All referenced objects outlive the executor.
  Executor(const CompiledProgram& compiled, ParameterStore& store, std::byte* arena, const MeshCommunicators& mesh);

  void run(const StepState& state) { run(state, 0, steps_.size()); }
  // A part of the program, in its turn: steps first to last - 1.
  void run(const StepState& state, std::size_t first, std::size_t last);

  [[nodiscard]] std::byte* data(BlockId block) const { return addresses_[static_cast<std::size_t>(block)]; }

 private:
  struct BoundStep {
    const Kernel* kernel = nullptr;
    std::vector<void*> inputs, outputs;
    void* workspace = nullptr;
    const CopyStep* copy = nullptr;
    Communicator* communicator = nullptr;
    CollectiveCall call;  // of collectives; a copy's blocks stand in its `in` and `out`
  };
  void bind(const Step& step, std::size_t i, const MeshCommunicators& mesh);

  const CompiledProgram* compiled_;
  std::vector<std::byte*> addresses_;
  std::vector<BoundStep> steps_;
};

}  // namespace ctrain
