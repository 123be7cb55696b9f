// What lies whole on a tensor group crosses a pipeline's boundaries in parts: 1/P of the bytes, and the same numbers.
#include <catch2/catch.hpp>

#include "training_run.h"

namespace ctrain {
namespace {

JobOptions job_with(int tensor, bool scatter_gather) {
  JobOptions job = vit_job({"1d", 1, tensor}, DType::f64);
  job.pipeline = {.stages = 2, .micro_batches = 3, .cuts = {}, .scatter_gather = scatter_gather};
  return job;
}

std::int64_t bytes_between_stages(const JobOptions& job, int rank) {
  const Plan plan = make_plan(job, rank);
  const Program& program = plan.training.compiled.program;
  std::int64_t bytes = 0;
  for (const Step& step : program.steps) {
    const auto* transfer = std::get_if<CollectiveStep>(&step);
    const bool is_sent = transfer != nullptr && transfer->collective == Collective::broadcast && transfer->input >= 0;
    if (!is_sent || program.mesh.name(transfer->axis) != "pipe") continue;
    const Block& block = program.blocks[static_cast<std::size_t>(transfer->input)];
    if (block.value->dims.contains({'b'})) bytes += block.bytes();
  }
  return bytes;
}

TEST_CASE("Scatter-gather: a P-th of the bytes crosses each boundary", "[pipeline]") {
  for (const int tensor : {2, 4}) {
    INFO(tensor);
    for (const int rank : {0, tensor}) {
      const std::int64_t whole = bytes_between_stages(job_with(tensor, false), rank);
      CHECK(whole == 72 * 5 * 144 * 8);  // all samples, 4 patches and the class token, 144 wide, fp64
      CHECK(bytes_between_stages(job_with(tensor, true), rank) * tensor == whole);
    }
  }
}

TEST_CASE("Scatter-gather changes no bit", "[pipeline]") {
  const TrainingRun whole = train_locally(job_with(2, false), 3), parts = train_locally(job_with(2, true), 3);
  CHECK(parts.gradients == whole.gradients);
  CHECK(parts.steps == whole.steps);
  CHECK(parts.replicas_equal);
}

}  // namespace
}  // namespace ctrain
