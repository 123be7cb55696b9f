// The plan of one rank: what it runs and where everything lies, known before anything starts. `ctrain` prints it, the
// rank executes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/tensor/mode.h"
#include "runtime/executor.h"
#include "runtime/pipeline_plan.h"
#include "runtime/training_graph.h"

namespace ctrain {

// A job as the plan sees it: the model and how it is trained, without files and folders.
struct JobOptions {
  std::shared_ptr<const Model> model;
  SampleShape sample;
  TargetShape target;
  LossOptions loss;
  OptimizerOptions optimizer;
  std::vector<Setting> gradient_handlers;
  std::string tensor_mode;  // "" for none
  int data = 1, tensor = 1;
  int depth = 1;  // of 2.5d
  PipelineOptions pipeline;
  int accumulation = 1;            // batches whose gradients add up to one optimizer step
  std::vector<LayoutWish> layout;  // wanted layouts of parameters
  std::int64_t global_batch = 0;   // of one batch
  DType real = DType::f32;
  std::optional<DType> mixed_precision;  // the shorter type of activations, where they have one
  std::uint64_t seed = 0;
  bool evaluation = false;      // plan an evaluation step too
  bool keep_gradients = false;  // bring gradients home and keep them to the end of the step, for tests
  std::string device = "cpu";   // or an accelerator's kind: "cuda"
  bool record = true;           // let the device record a step and replay it
  bool allow_tf32 = false;      // let an accelerator round operands of fp32 products to TF32
  [[nodiscard]] Backend backend() const;
  [[nodiscard]] int ranks() const { return data * pipeline.stages * tensor; }
  [[nodiscard]] std::int64_t samples_per_step() const { return global_batch * accumulation; }
  [[nodiscard]] Precision precision() const { return {real, mixed_precision.value_or(real)}; }
};

[[nodiscard]] Mode mode_of(const JobOptions& options);

// One of the rank's two programs with the logical graph that it was made from.
struct StepPlan {
  StepGraph graph;
  CompiledProgram compiled;
};

struct Plan {
  Mesh mesh;
  int rank = 0;
  int threads = 1;  // CPU threads of a rank, among which kernels divide their work (and need workspaces)
  DType real = DType::f32, activation = DType::f32;
  std::string device;
  bool record = true;
  bool tf32 = false;  // products of fp32 operands
  std::uint64_t seed = 0;
  PipelineOptions pipeline;
  int accumulation = 1;           // batches of an optimizer step
  std::int64_t global_batch = 0;  // of one batch
  StepPlan training;
  std::unique_ptr<StepPlan> evaluation;            // nullptr where none was asked for
  [[nodiscard]] std::int64_t arena_bytes() const;  // the larger of the two programs' arenas: they share one
  // Where the batch of the next step is brought to an accelerator while a step runs; 0 on the CPU.
  [[nodiscard]] std::int64_t next_batch_bytes() const;
  [[nodiscard]] std::int64_t device_bytes() const;  // arena, next batch, parameters and states
  [[nodiscard]] std::int64_t parameters() const;    // elements of the whole model
};

// For as many CPU threads as the calling thread has set.
[[nodiscard]] Plan make_plan(const JobOptions& options, int rank);

}  // namespace ctrain
