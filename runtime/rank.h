// One rank of a running job: its memory, its communicators and its programs. It owns everything that it changes, so
// that many ranks live in one process as threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "memory/device.h"
#include "parallel/comm/device_communicator.h"
#include "runtime/batch_feeder.h"
#include "runtime/data/feed.h"
#include "runtime/executor.h"
#include "runtime/plan.h"

namespace ctrain {

// What a step tells: the same numbers on every rank and every mesh.
struct StepResult {
  double loss = 0;           // mean over the valid samples of the global batch
  double samples = 0;        // valid samples
  double correct = 0;        // of those, rightly classified
  double gradient_norm = 0;  // 2-norm over all parameters; 0 in evaluation
  bool operator==(const StepResult&) const = default;
};

// Which of the machine's accelerators is a rank's, where its plan wants one, and how these exchange data.
struct DevicePlace {
  int index = 0;
  DeviceWorld world = DeviceWorld::staged;
  WaitPolicy policy = {};
};

class Rank {
 public:
  // Allocates what the plan says and draws the initial weights. The plan and the world outlive the rank.
  Rank(const Plan& plan, Communicator& world, const DevicePlace& place = {});

  // What the loader has to bring for a step, in the order of its buffers.
  [[nodiscard]] static std::vector<Feed> feeds(const StepPlan& step);

  // Gives the batch of the step that comes directly after, or nullptr. It is asked for, and copied to an accelerator,
  // while the step runs; on the CPU, where nothing would be gained, it is not asked for.
  using NextBatch = std::function<const Batch*()>;

  // One optimizer step on a batch that was assembled for feeds(plan.training). When it returns no batch is read any
  // more; the next one must not change until it was trained on.
  StepResult train(const Batch& batch, const StepState& state, const NextBatch& next = {}) {
    return run(plan_->training, training_, batch, state, next);
  }
  // Traces these of the steps to come.
  void trace(const StepRange& steps);
  [[nodiscard]] const StepTrace* traced() const { return trace_.get(); }  // nullptr where nothing is
  // Forward and metrics only, on a batch for feeds(*plan.evaluation).
  StepResult evaluate(const Batch& batch, const NextBatch& next = {}) {
    return run(*plan_->evaluation, *evaluation_, batch, {}, next);
  }

  [[nodiscard]] const Plan& plan() const { return *plan_; }
  // A parameter's or a state's part of this rank, to and from the host.
  [[nodiscard]] std::vector<std::byte> read(const std::string& name) const;
  void write(const std::string& name, const std::vector<std::byte>& data) const;
  [[nodiscard]] std::vector<std::byte> read_block(BlockId block) const;  // of the training program, after a step
  [[nodiscard]] const Executor& training() const { return training_; }
  [[nodiscard]] Device& device() const { return *on_.device; }
  [[nodiscard]] std::string device_text() const;  // "cpu", "cuda:0 NVIDIA H100 80GB HBM3"
  [[nodiscard]] const MeshCommunicators& mesh() const { return mesh_; }
  [[nodiscard]] std::int64_t allocated_bytes() const;  // of the device tier
  // Of an accelerator that this rank has for itself, what its driver says was taken since the rank got it, by libraries
  // too; else what was allocated.
  [[nodiscard]] std::int64_t measured_bytes() const;

 private:
  StepResult run(const StepPlan& step, Executor& executor, const Batch& batch, const StepState& state,
                 const NextBatch& next);
  StepResult run_to_end(const StepPlan& step, Executor& executor, const Batch& batch, const StepState& state,
                        const NextBatch& next);

  [[nodiscard]] std::vector<std::byte> download(const std::byte* from, std::int64_t bytes) const;

  const Plan* plan_;
  DevicePlace place_;
  mutable RankDevice on_;
  std::int64_t used_before_;  // bytes of the device, by whomever
  HostBuffer metrics_;        // of a step: loss, count, correct, squares of gradients, a cache line each
  ParameterStore store_;
  Buffer arena_;
  BatchFeeder feeder_;
  std::unique_ptr<Communicator> device_world_;  // nullptr where collectives work in host memory
  MeshCommunicators mesh_;
  Executor training_;
  std::unique_ptr<Executor> evaluation_;
  std::unique_ptr<StepTrace> trace_;
};

}  // namespace ctrain
