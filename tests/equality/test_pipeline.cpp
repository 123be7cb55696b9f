// Pipelines: first-step gradients and the losses of 20 SGD steps equal those of one rank, for every schedule and in
// every company.
#include <catch2/catch.hpp>

#include "causal_transformer.h"
#include "runtime/models/vit.h"
#include "training_run.h"

namespace ctrain {
namespace {

struct PipelineCase {
  std::string schedule;
  int stages = 1, chunks = 1, micro_batches = 1;
  MeshCase mesh = {};
  int accumulation = 1;
  std::string partition = "uniform";
  [[nodiscard]] std::string text() const {
    return fmt::format("{} of {} stages x {} chunks, {} micro-batches, {}, accumulation {}, {}", schedule, stages,
                       chunks, micro_batches, mesh.text(), accumulation, partition);
  }
};

using Job = JobOptions (*)(const MeshCase&, DType);

JobOptions pipelined(Job make, const PipelineCase& p, DType real = DType::f64) {
  JobOptions job = make(p.mesh, real);
  job.pipeline = {p.stages, p.chunks, p.micro_batches, p.schedule, p.partition, {}};
  job.accumulation = p.accumulation;
  job.global_batch /= p.accumulation;
  return job;
}

JobOptions deep_vit(const MeshCase& mesh, DType real) {
  JobOptions job = vit_job(mesh, real);
  job.model = make_vit({.img_size = 6,
                        .patch_size = 3,
                        .in_channels = 1,
                        .num_classes = 10,
                        .hidden_size = 48,
                        .depth = 8,
                        .num_heads = 8,
                        .mlp_ratio = 1,
                        .dropout = 0.1,
                        .attention_dropout = 0.1,
                        .drop_path = 0.1});
  return job;
}

JobOptions deep_causal(const MeshCase& mesh, DType real) {
  JobOptions job = causal_job(mesh, real);
  job.model = make_causal_transformer({.hidden = 48, .heads = 8, .depth = 8});
  return job;
}

void check(Job job, const std::vector<PipelineCase>& cases, int steps) {
  const TrainingRun serial = train_locally(job({}, DType::f64), steps);
  for (const PipelineCase& p : cases) {
    INFO(p.text());
    const TrainingRun run = train_locally(pipelined(job, p), steps);
    INFO("gradients " << gradient_error(run, serial) << ", losses " << loss_error(run, serial));
    CHECK(gradient_error(run, serial) < 1e-10);
    CHECK(loss_error(run, serial) < 1e-9);
    CHECK(metrics_error(run, serial) < 1e-9);
    CHECK(run.replicas_equal);
  }
}

TEST_CASE("Micro-batches and accumulation on one rank", "[pipeline]") {
  for (const Job job : {deep_vit, deep_causal})
    check(job, {{"1f1b", 1, 1, 4}, {"gpipe", 1, 1, 2, {}, 3}, {"1f1b", 1, 1, 1, {"2d", 1, 4}, 3}}, 3);
}

TEST_CASE("Pipelines train as one rank does", "[pipeline]") {
  for (const Job job : {deep_vit, deep_causal})
    check(job, {{"gpipe", 2, 1, 4}, {"1f1b", 4, 1, 8}, {"interleaved", 2, 2, 4}, {"zb_h1", 3, 1, 6}, {"zbv", 2, 2, 4}},
          3);
}

TEST_CASE("Pipelines times tensor parallelism train as one rank does", "[pipeline]") {
  for (const Job job : {deep_vit, deep_causal})
    check(job,
          {{"1f1b", 2, 1, 2, {"1d", 1, 2}},
           {"1f1b", 2, 1, 2, {"2d", 1, 4}},
           {"1f1b", 2, 1, 2, {"3d", 1, 8}},
           {"zbv", 2, 2, 4, {"1d", 2, 2}, 3},
           {"1f1b", 2, 1, 2, {"sequence", 2, 2}}},
          3);
}

}  // namespace
}  // namespace ctrain
