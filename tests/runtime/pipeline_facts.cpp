// What a plan says of its pipeline, against formulas.
#include "runtime/pipeline_facts.h"

#include <catch2/catch.hpp>

#include "runtime/pipeline_text.h"
#include "runtime/plan_facts.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;

JobOptions deep_job(PipelineOptions pipeline) {
  JobOptions job = test::small_job({}, 24);
  job.model = make_vit({.img_size = test::image_side,
                        .patch_size = 3,
                        .in_channels = 1,
                        .num_classes = 10,
                        .hidden_size = 36,
                        .depth = 8,
                        .num_heads = 12,
                        .mlp_ratio = 2});
  job.pipeline = std::move(pipeline);
  return job;
}

TEST_CASE("Parts of a pipeline: blocks, FLOPs, parameters, stored micro-batches", "[pipeline][plan_facts]") {
  const Plan plan = make_plan(deep_job({.stages = 4, .micro_batches = 8, .cuts = {}}), 1);
  const PipelineFacts facts = pipeline_facts(plan);
  REQUIRE((facts.parts.size() == 4 && facts.stages.size() == 4));
  Flops flops;
  std::int64_t parameters = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(facts.parts[i].blocks == BlockRange{static_cast<int>(2 * i), static_cast<int>(2 * i + 2)});
    CHECK(facts.stages[i].stored == static_cast<int>(4 - i));  // 1F1B: as many as stages from here on
    flops.forward += facts.parts[i].forward;
    flops.backward += facts.parts[i].backward_input + facts.parts[i].backward_weight;
    parameters += facts.stages[i].parameters;
  }
  const Flops whole = logical_flops(*plan.training.graph.graph);
  CHECK(flops.forward == Approx(whole.forward));
  CHECK(flops.backward == Approx(whole.backward));
  CHECK(parameters == plan.parameters());
  // The rank's own program does what its stage is said to.
  const Flops own = rank_flops(plan.training.compiled.program);
  CHECK(own.forward == Approx(facts.parts[1].forward));
  CHECK(own.backward == Approx(facts.parts[1].backward_input + facts.parts[1].backward_weight));
}

TEST_CASE("Accumulated batches go through the pipeline as one", "[pipeline][plan_facts]") {
  JobOptions job = deep_job({.stages = 2, .micro_batches = 4, .schedule = "gpipe", .cuts = {}});
  job.accumulation = 3;
  const PipelineFacts facts = pipeline_facts(make_plan(job, 0));
  CHECK(facts.timetable.schedule.micro_batches == 12);
  CHECK(facts.stages[0].stored == 12);
}

TEST_CASE("The pipeline as text", "[pipeline][plan]") {
  const Plan plan =
      make_plan(deep_job({.stages = 2, .chunks = 2, .micro_batches = 4, .schedule = "interleaved", .cuts = {}}), 0);
  CHECK_THAT(pipeline_text(plan), Contains("Pipeline: interleaved of 2 stages with 2 chunks each; uniform partition; "
                                           "4 micro-batches a step\n") &&
                                      Contains("0-1, 4-5") && Contains("2-3, 6-7") && Contains("\nrank 1  .") &&
                                      Contains("F0: forward of micro-batch 0"));
  CHECK(pipeline_text(make_plan(deep_job({.micro_batches = 4, .cuts = {}}), 0)).empty());
}

}  // namespace
}  // namespace ctrain
