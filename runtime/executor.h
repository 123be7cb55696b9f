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
#include "parallel/comm/wait_policy.h"
#include "parallel/program.h"
#include "runtime/memory_plan.h"
#include "runtime/step_trace.h"

namespace ctrain {

// The communicator of every mesh axis (nullptr for axes of one rank), seen from one rank, and those of parts of lines.
class MeshCommunicators {
 public:
  using Groups = std::vector<std::pair<Axis, Members>>;
  // Collective over the world: every rank gives the same groups.
  MeshCommunicators(const Mesh& mesh, const Groups& groups, Communicator& world);
  [[nodiscard]] Communicator* along(Axis axis, const Members& members = {}) const;
  [[nodiscard]] std::int64_t sent(Axis axis, Collective collective) const;  // bytes, by all communicators of the axis
  // After an error: see Communicator::give_up().
  void give_up() const;

 private:
  std::vector<std::unique_ptr<Communicator>> lines_;
  std::map<std::pair<Axis, Members>, std::unique_ptr<Communicator>> groups_;  // of which this rank is a member
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
  Backend backend = Backend::reference;
  std::vector<Kernel> kernels;  // per step; empty for other steps
  MemoryPlan memory;
};
[[nodiscard]] CompiledProgram compile(Program program, Backend backend);

// Where a rank's work is done: kernels and copies in one stream, collectives in another, which overlap as far as the
// memory they touch allows.
struct RankDevice {
  explicit RankDevice(std::unique_ptr<Device> made);
  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> compute, communication;
};

class Executor {
 public:
  // `arena` has at least compiled.memory.arena_bytes. All referenced objects outlive the executor. `record`: let the
  // device record the steps at the second run and replay them as one afterwards, where it can.
  Executor(const CompiledProgram& compiled, ParameterStore& store, std::byte* arena, const MeshCommunicators& mesh,
           RankDevice& on, bool record = true);

  // Enqueues all steps on the compute stream; on the CPU they are done when it returns.
  void run(const StepState& state);
  // A part of the program, in its turn: steps first to last - 1.
  void run(const StepState& state, std::size_t first, std::size_t last);

  // Traces the runs that `trace` covers, of the whole program: they are enqueued step by step, not replayed. It
  // outlives them.
  void trace(StepTrace& trace) { trace_ = &trace; }

  // Waits until all that was enqueued on the compute stream is done; a running Error that names rank, mesh axes and
  // calls where a collective fails or the policy's time is over.
  void wait(const WaitPolicy& policy);

  [[nodiscard]] const Program& program() const { return compiled_->program; }
  [[nodiscard]] std::byte* data(BlockId block) const { return addresses_[static_cast<std::size_t>(block)]; }
  [[nodiscard]] bool is_recorded() const { return recorded_ != nullptr; }
  // Why the steps are not recorded; "" where they are, or nothing has been tried.
  [[nodiscard]] const std::string& not_recorded_because() const { return not_recorded_because_; }

 private:
  struct BoundStep {
    const Kernel* kernel = nullptr;
    std::vector<void*> inputs, outputs;
    void* workspace = nullptr;
    const CopyStep* copy = nullptr;
    Communicator* communicator = nullptr;
    CollectiveCall call;  // of collectives; a copy's blocks stand in its `in` and `out`

    std::vector<Event*> waits;  // of the other stream
    Event* done = nullptr;      // recorded where the other stream waits for this step
  };
  void bind(const Step& step, std::size_t i, const MeshCommunicators& mesh);
  void order_streams();
  void set(const StepState& state);
  void enqueue(std::size_t first, std::size_t last);
  void enqueue(std::size_t i);
  void record();

  const CompiledProgram* compiled_;
  RankDevice* on_;
  StridedCopyFunction copy_;
  std::vector<std::byte*> addresses_;
  std::vector<BoundStep> steps_;
  std::vector<Communicator*> communicators_;  // of the steps, each once

  HostBuffer host_state_;
  Buffer state_;
  std::vector<std::unique_ptr<Event>> events_;
  Event *begun_ = nullptr, *communicated_ = nullptr;  // of a run, where there are two streams
  std::unique_ptr<Event> done_;
  std::unique_ptr<RecordedWork> recorded_;
  bool may_record_;
  std::int64_t runs_ = 0;
  std::string not_recorded_because_;
  StepTrace* trace_ = nullptr;
  bool tracing_ = false;  // the run under way
};

}  // namespace ctrain
