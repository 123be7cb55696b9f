// One rank of a running job: its memory, its communicators and its programs. It owns everything that it changes, so
// that many ranks live in one process as threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "memory/device.h"
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

class Rank {
 public:
  // Allocates what the plan says and draws the initial weights. The plan and the world outlive the rank.
  Rank(const Plan& plan, Communicator& world);

  // What the loader has to bring for a step, in the order of its buffers.
  [[nodiscard]] static std::vector<Feed> feeds(const StepPlan& step);

  // One optimizer step on a batch that was assembled for feeds(plan.training).
  StepResult train(const Batch& batch, const StepState& state) { return run(plan_->training, training_, batch, state); }
  // Forward and metrics only, on a batch for feeds(*plan.evaluation).
  StepResult evaluate(const Batch& batch) { return run(*plan_->evaluation, *evaluation_, batch, {}); }

  [[nodiscard]] const Plan& plan() const { return *plan_; }
  [[nodiscard]] std::byte* parameter(const std::string& name) const { return store_.data(name); }  // or state
  [[nodiscard]] const Executor& training() const { return training_; }
  [[nodiscard]] const MeshCommunicators& mesh() const { return mesh_; }
  [[nodiscard]] std::int64_t allocated_bytes() const;  // of the device tier

 private:
  StepResult run(const StepPlan& step, Executor& executor, const Batch& batch, const StepState& state);

  const Plan* plan_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  ParameterStore store_;
  Buffer arena_;
  MeshCommunicators mesh_;
  Executor training_;
  std::unique_ptr<Executor> evaluation_;
};

}  // namespace ctrain
