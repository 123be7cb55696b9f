// Pipelines: first-step gradients and the losses of 20 SGD steps equal those of one rank, for every schedule, number of
// stages and of micro-batches, alone and times the other kinds of parallelism. GPT-2's word table is shared by the
// first and the last stage.
#include <catch2/catch.hpp>

#include "runtime/models/gpt2.h"
#include "runtime/models/vit.h"
#include "token_dataset.h"
#include "training_run.h"

namespace ctrain {
namespace {

constexpr int all_steps = 20;

struct PipelineCase {
  std::string schedule = "1f1b";
  int stages = 1, chunks = 1, micro_batches = 1;
  MeshCase mesh = {};
  int accumulation = 1;
  [[nodiscard]] std::string text() const {
    return fmt::format("{}, {} stages x {} chunks, {} micro-batches, {}, {} batches a step", schedule, stages, chunks,
                       micro_batches, mesh.text(), accumulation);
  }
};

using Job = JobOptions (*)(const MeshCase&, DType);

JobOptions vit_of(int depth, const MeshCase& mesh, DType real) {
  JobOptions job = vit_job(mesh, real);
  job.model = make_vit({.img_size = 6,
                        .patch_size = 3,
                        .in_channels = 1,
                        .num_classes = 10,
                        .hidden_size = 16,
                        .depth = depth,
                        .num_heads = 4,
                        .mlp_ratio = 1,
                        .dropout = 0.1,
                        .attention_dropout = 0.1,
                        .drop_path = 0.1});
  job.global_batch = 24;
  return job;
}

JobOptions gpt2_of(int depth, const MeshCase& mesh, DType real) {
  JobOptions job = gpt2_job(mesh, real);
  job.model = make_gpt2({.vocab_size = vocabulary,
                         .max_position_embeddings = sequence_length,
                         .hidden_size = 16,
                         .depth = depth,
                         .num_heads = 4,
                         .mlp_ratio = 1,
                         .dropout = 0.1,
                         .attention_dropout = 0.1,
                         .embed_dropout = 0.1});
  job.global_batch = 24;
  return job;
}

JobOptions vit_of_8(const MeshCase& mesh, DType real) { return vit_of(8, mesh, real); }
JobOptions gpt2_of_8(const MeshCase& mesh, DType real) { return gpt2_of(8, mesh, real); }
JobOptions vit_of_7(const MeshCase& mesh, DType real) { return vit_of(7, mesh, real); }
JobOptions gpt2_of_7(const MeshCase& mesh, DType real) { return gpt2_of(7, mesh, real); }

JobOptions pipelined(Job make, const PipelineCase& p, DType real) {
  JobOptions job = make(p.mesh, real);
  job.pipeline.schedule = p.schedule;
  job.pipeline.stages = p.stages;
  job.pipeline.chunks = p.chunks;
  job.pipeline.micro_batches = p.micro_batches;
  job.accumulation = p.accumulation;
  job.global_batch /= p.accumulation;
  return job;
}

void check_fp64(Job job, const std::vector<PipelineCase>& cases, int steps = all_steps) {
  const TrainingRun serial = train_locally(job({}, DType::f64), steps);
  REQUIRE(serial.steps.back().loss < serial.steps.front().loss);
  for (const PipelineCase& p : cases) {
    const TrainingRun run = train_locally(pipelined(job, p, DType::f64), steps);
    INFO(p.text() << ": gradients " << gradient_error(run, serial) << ", losses " << loss_error(run, serial));
    CHECK(gradient_error(run, serial) < 1e-10);
    CHECK(loss_error(run, serial) < 1e-9);
    CHECK(metrics_error(run, serial) < 1e-9);
    CHECK(run.replicas_equal);
  }
}

// In fp32 up to four times the serial run's own distance from fp64 is allowed.
void check_fp32(Job job, const std::vector<PipelineCase>& cases) {
  constexpr int steps = all_steps;
  const TrainingRun exact = train_locally(job({}, DType::f64), steps);
  const TrainingRun serial = train_locally(job({}, DType::f32), steps);
  const double gradients = std::max(1e-5, 4 * gradient_error(serial, exact));
  const double losses = std::max(1e-4, 4 * loss_error(serial, exact));
  for (const PipelineCase& p : cases) {
    const TrainingRun run = train_locally(pipelined(job, p, DType::f32), steps);
    INFO(p.text() << ": gradients " << gradient_error(run, serial) << " of " << gradients << ", losses "
                  << loss_error(run, serial) << " of " << losses);
    CHECK(gradient_error(run, serial) < gradients);
    CHECK(loss_error(run, serial) < losses);
    CHECK(run.replicas_equal);
  }
}

// Every schedule on 2, 3 and 4 stages, with micro-batches fewer and more than the stages.
std::vector<PipelineCase> pure_pipelines() {
  std::vector<PipelineCase> cases;
  for (const int stages : {2, 3, 4})
    for (const int micro_batches : stages == 3 ? std::vector{3, 6} : std::vector{1, 2, 4, 8}) {
      for (const char* schedule : {"gpipe", "1f1b", "zb_h1"}) cases.push_back({schedule, stages, 1, micro_batches});
      cases.push_back({"zbv", stages, 2, micro_batches});
      if (micro_batches % stages == 0) cases.push_back({"interleaved", stages, 2, micro_batches});
    }
  return cases;
}

std::vector<PipelineCase> mixed_pipelines() {
  return {{"1f1b", 2, 1, 2, {"1d", 1, 2}},
          {"1f1b", 2, 1, 2, {"2d", 1, 4}},
          {"1f1b", 2, 1, 2, {"3d", 1, 8}},
          {"1f1b", 2, 1, 4, {"1d", 2, 2}},
          {"1f1b", 2, 1, 2, {"sequence", 2, 2}},
          {"zbv", 2, 2, 4, {"1d", 2, 2}},
          {"interleaved", 2, 2, 2, {"2.5d", 1, 8, 2}},
          {"zb_h1", 2, 1, 2, {"1d", 1, 2}, 3},
          {"1f1b", 2, 1, 2, {"", 2, 1}, 3},
          {"gpipe", 1, 1, 4, {}, 3},
          {"1f1b", 1, 1, 2, {"2d", 1, 4}, 3}};
}

std::vector<PipelineCase> few_pipelines() {
  return {{"1f1b", 2, 1, 2, {"1d", 1, 2}},
          {"zbv", 2, 2, 4, {"", 2, 1}, 3},
          {"interleaved", 2, 2, 2, {"2d", 1, 4}},
          {"zb_h1", 2, 1, 2, {"sequence", 1, 2}}};
}

TEST_CASE("ViT in fp64 trains the same on every pipeline", "[equality][fp64][table]") {
  check_fp64(vit_of_8, pure_pipelines());
  check_fp64(vit_of_8, mixed_pipelines());
  check_fp64(vit_of_7, {{"1f1b", 4, 1, 4}, {"zb_h1", 4, 1, 4}});
}
TEST_CASE("GPT-2 in fp64 trains the same on every pipeline", "[equality][fp64][table]") {
  check_fp64(gpt2_of_8, pure_pipelines());
  check_fp64(gpt2_of_8, mixed_pipelines());
  check_fp64(gpt2_of_7, {{"1f1b", 4, 1, 4}, {"zb_h1", 4, 1, 4}});
}
TEST_CASE("A few steps of pipelines", "[equality][fp64]") { check_fp64(gpt2_of_8, few_pipelines(), 2); }
TEST_CASE("ViT in fp32 trains the same on every pipeline", "[equality][fp32][table]") {
  check_fp32(vit_of_8, few_pipelines());
}
TEST_CASE("GPT-2 in fp32 trains the same on every pipeline", "[equality][fp32][table]") {
  check_fp32(gpt2_of_8, few_pipelines());
}

}  // namespace
}  // namespace ctrain
