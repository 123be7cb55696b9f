// That the comparison with one rank sees everything: a first step in which one collective, whichever, brings nothing of
// the others (the shapes kept) differs in a gradient, in the loss or another metric, or between replicas.
#include <catch2/catch.hpp>

#include "runtime/models/gpt2.h"
#include "runtime/models/vit.h"
#include "tests/support/withholding_communicator.h"
#include "token_dataset.h"
#include "training_run.h"

namespace ctrain {
namespace {

JobOptions small_vit_job(const MeshCase& mesh) {
  JobOptions job = vit_job(mesh, DType::f64);
  job.model = make_vit({.img_size = 6,
                        .patch_size = 3,
                        .in_channels = 1,
                        .num_classes = 10,
                        .hidden_size = 16,
                        .depth = 1,
                        .num_heads = 4,
                        .mlp_ratio = 2,
                        .dropout = 0.1,
                        .attention_dropout = 0.1});
  job.global_batch = 12;
  return job;
}

// Two blocks of GPT-2, whose ends share the word table.
JobOptions small_gpt2_job(const MeshCase& mesh) {
  JobOptions job = gpt2_job(mesh, DType::f64);
  job.model = make_gpt2({.vocab_size = vocabulary,
                         .max_position_embeddings = sequence_length,
                         .hidden_size = 8,
                         .depth = 4,
                         .num_heads = 2,
                         .mlp_ratio = 1,
                         .dropout = 0.1});
  job.global_batch = 48;  // in every micro-batch the vocabulary part of either rank has some of the right words
  return job;
}

// The collectives of a step, for people: "12: all_gather over row of blocks.0.norm1.weight [h]".
std::vector<std::string> collectives(const JobOptions& job, int rank = 0) {
  const Plan plan = make_plan(job, rank);
  const Program& program = plan.training.compiled.program;
  std::vector<std::string> result;
  for (const Step& step : program.steps) {
    const auto* collective = std::get_if<CollectiveStep>(&step);
    if (collective == nullptr) continue;
    const BlockId id = collective->input >= 0 ? collective->input : collective->output;
    const Block& block = program.blocks[static_cast<std::size_t>(id)];
    result.push_back(fmt::format("{}: {} over {} of {} [{}]", result.size(), name_of(collective->collective),
                                 program.mesh.name(collective->axis),
                                 block.value != nullptr ? block.value->name : "a panel", block.operand.dims.text()));
  }
  return result;
}

// Does the collective with this number bring a rank something? A send does not.
bool is_receiver(const JobOptions& job, int rank, std::size_t number) {
  const Plan plan = make_plan(job, rank);
  for (const Step& step : plan.training.compiled.program.steps)
    if (const auto* collective = std::get_if<CollectiveStep>(&step); collective != nullptr && number-- == 0)
      return collective->collective != Collective::broadcast || collective->input < 0;
  return false;
}

// The first step, in which the collective with this number brings nothing on any rank; -1: all bring what they should.
TrainingRun train_withholding(const JobOptions& job, std::int64_t number) {
  return train_locally(job, 1, [number](Communicator& world) {
    return std::make_unique<WithholdingCommunicator>(
        world, std::make_shared<WithholdingPlan>(WithholdingPlan{.withheld_call = number}));
  });
}

// The same on the ranks of one stage alone.
TrainingRun train_withholding(const JobOptions& job, int stage, std::size_t number) {
  return train_locally(job, 1, [=](Communicator& world) {
    const std::int64_t withheld = world.rank() / job.tensor == stage ? static_cast<std::int64_t>(number) : -1;
    return std::make_unique<WithholdingCommunicator>(
        world, std::make_shared<WithholdingPlan>(WithholdingPlan{.withheld_call = withheld}));
  });
}

bool differs(const TrainingRun& run, const TrainingRun& serial) {
  return gradient_error(run, serial) > 1e-10 || loss_error(run, serial) > 1e-9 || metrics_error(run, serial) > 1e-9 ||
         !run.replicas_equal;
}

TEST_CASE("No collective of a step can lose the others' data unseen", "[equality][mutation]") {
  const TrainingRun serial = train_locally(small_vit_job({}), 1);
  REQUIRE(serial.steps[0].correct > 0);  // otherwise losing the count of correct samples would go unseen
  for (const MeshCase& mesh : {MeshCase{"1d", 1, 2},
                               {"2d", 1, 4},
                               {"2.5d", 1, 8, 2},
                               {"3d", 1, 8},
                               {"sequence", 1, 2},
                               {"", 2, 1},
                               {"2d", 2, 4}}) {
    const JobOptions job = small_vit_job(mesh);
    REQUIRE_FALSE(differs(train_withholding(job, -1), serial));
    const std::vector<std::string> all = collectives(job);
    std::vector<std::string> unseen;
    for (std::size_t number = 0; number < all.size(); ++number)
      if (!differs(train_withholding(job, static_cast<std::int64_t>(number)), serial)) unseen.push_back(all[number]);
    INFO(mesh.text() << ": " << all.size() << " collectives");
    CHECK_FALSE(all.empty());
    CHECK(unseen == std::vector<std::string>());
    // There are no others.
    CHECK_FALSE(differs(train_withholding(job, static_cast<std::int64_t>(all.size())), serial));
  }
}

// Stages have collectives of their own, so these are withheld stage by stage.
TEST_CASE("Nothing that a pipeline hands over can be lost unseen", "[equality][mutation]") {
  const TrainingRun serial = train_locally(small_gpt2_job({}), 1);
  REQUIRE(serial.steps[0].correct > 0);
  for (const auto& [schedule, chunks, tensor] : {std::tuple{"1f1b", 1, 2}, std::tuple{"zbv", 2, 1}}) {
    JobOptions job = small_gpt2_job({"1d", 1, tensor});
    job.pipeline.schedule = schedule;
    job.pipeline.stages = 2;
    job.pipeline.chunks = chunks;
    job.pipeline.micro_batches = 2;
    REQUIRE_FALSE(differs(train_withholding(job, -1), serial));
    std::vector<std::string> unseen;
    for (int stage = 0; stage < job.pipeline.stages; ++stage) {
      const int rank = stage * job.tensor;
      const std::vector<std::string> all = collectives(job, rank);
      CHECK_FALSE(all.empty());
      for (std::size_t number = 0; number < all.size(); ++number)
        if (is_receiver(job, rank, number) && !differs(train_withholding(job, stage, number), serial))
          unseen.push_back(fmt::format("stage {}, {}", stage, all[number]));
    }
    INFO(schedule);
    CHECK(unseen == std::vector<std::string>());
  }
}

}  // namespace
}  // namespace ctrain
