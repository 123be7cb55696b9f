// Pipelines: first-step gradients and the losses of 20 SGD steps equal those of one rank, for every schedule, number of
// stages and of micro-batches, alone and times the other kinds of parallelism. GPT-2's word table is shared by the
// first and the last stage.
#include <catch2/catch.hpp>

#include "pipelined_job.h"

namespace ctrain {
namespace {

constexpr int all_steps = 20;

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
