#include "runtime/plan.h"

#include <omp.h>

#include <algorithm>

#include "ops/cuda/precision.h"
#include "parallel/fusion/fusion.h"
#include "parallel/partition.h"

namespace ctrain {
namespace {

StepPlan plan_step(const JobOptions& options, const Mode& mode, int rank, bool training) {
  const ModelOptions model_options{training, options.sample, options.target};
  StepPlan plan;
  const std::int64_t samples = training ? options.samples_per_step() : options.global_batch;
  plan.graph = build_step(*options.model, model_options, samples, options.precision(), options.loss, options.optimizer,
                          options.gradient_handlers);
  PartitionOptions partition_options{.seed = options.seed, .keep_gathered = false, .fetch = plan.graph.metrics()};
  if (training && options.keep_gradients)
    for (Value* parameter : plan.graph.graph->parameters())
      partition_options.fetch.push_back(plan.graph.gradients.at(parameter));
  partition_options.schedule = schedule_of(options.pipeline, options.accumulation, training);
  partition_options.scatter_gather = options.pipeline.scatter_gather;
  partition_options.first_blocks = first_blocks(*plan.graph.graph, options.pipeline);
  Program program = partition(*plan.graph.graph, mode, rank, partition_options);
  fuse(program);
  plan.compiled = compile(std::move(program), options.backend());
  return plan;
}

}  // namespace

Mode mode_of(const JobOptions& options) {
  Mode mode = make_mode(options.tensor_mode, options.data, {options.tensor, options.depth}, options.pipeline.stages);
  mode.wishes = options.layout;
  return mode;
}

Backend JobOptions::backend() const {
  if (device == "cuda") return Backend::cuda;
  return real == DType::f64 ? Backend::reference : Backend::cpu;
}

std::int64_t Plan::arena_bytes() const {
  const std::int64_t evaluation_bytes = evaluation == nullptr ? 0 : evaluation->compiled.memory.arena_bytes;
  return std::max(training.compiled.memory.arena_bytes, evaluation_bytes);
}

std::int64_t Plan::next_batch_bytes() const {
  if (device == "cpu") return 0;
  const std::int64_t evaluation_bytes = evaluation == nullptr ? 0 : evaluation->compiled.memory.feed_bytes;
  return std::max(training.compiled.memory.feed_bytes, evaluation_bytes);
}

std::int64_t Plan::device_bytes() const {
  const MemoryPlan& memory = training.compiled.memory;
  return arena_bytes() + next_batch_bytes() + memory.parameter_bytes + memory.state_bytes;
}

std::int64_t Plan::parameters() const {
  std::int64_t total = 0;
  for (const Value* parameter : training.graph.graph->parameters())
    total += training.graph.graph->elements(parameter->dims);
  return total;
}

Plan make_plan(const JobOptions& options, int rank) {
  const Mode mode = mode_of(options);
  Plan plan;
  plan.mesh = mode.mesh;
  plan.rank = rank;
  plan.threads = omp_get_max_threads();
  plan.real = options.precision().real;
  plan.activation = options.precision().activation;
  plan.device = options.device;
  plan.record = options.record;
  plan.tf32 = options.allow_tf32 && options.device != "cpu";
  cuda::tf32_allowed() = plan.tf32;
  plan.seed = options.seed;
  plan.pipeline = options.pipeline;
  plan.accumulation = options.accumulation;
  plan.global_batch = options.global_batch;
  plan.training = plan_step(options, mode, rank, true);
  if (options.evaluation) plan.evaluation = std::make_unique<StepPlan>(plan_step(options, mode, rank, false));
  return plan;
}

}  // namespace ctrain
