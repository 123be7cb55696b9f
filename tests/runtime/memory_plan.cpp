#include "runtime/memory_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "memory/arena_planner.h"
#include "runtime/models/mlp.h"
#include "runtime/models/vit.h"
#include "runtime/plan.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

struct Range {
  std::int64_t begin = 0, end = 0;
  [[nodiscard]] bool overlaps(const Range& other) const { return begin < other.end && other.begin < end; }
};

struct Touched {
  std::vector<BlockId> inputs, outputs;
  bool in_place = false;  // an output may stand where an input does
  std::size_t overwriting = 0;
};

Touched touched(const Step& step) {
  Touched result;
  if (const auto* local = std::get_if<LocalStep>(&step)) {
    result = {local->inputs, local->outputs, local->node.overwrites >= 0,
              static_cast<std::size_t>(local->node.overwriting)};
    if (local->node.accumulate) result.inputs.push_back(local->outputs[0]);
  } else if (const auto* copy = std::get_if<CopyStep>(&step)) {
    result = {{copy->input}, {copy->output}, false};
  } else {
    const auto& collective = std::get<CollectiveStep>(step);
    result = {{collective.input}, {collective.output}, collective.collective == Collective::all_reduce};
  }
  std::erase(result.inputs, -1);
  std::erase(result.outputs, -1);
  return result;
}

// Walks through the program and asks of every write whether it hits anything that is read later. Knows nothing of how
// the plan was made. Returns the number of hits.
int count_clobbered(const CompiledProgram& compiled) {
  const Program& program = compiled.program;
  const auto range = [&](BlockId id) {
    const std::int64_t offset = compiled.memory.block_offsets[static_cast<std::size_t>(id)];
    return offset < 0 ? Range{} : Range{offset, offset + program.blocks[static_cast<std::size_t>(id)].bytes()};
  };
  const auto never = static_cast<int>(program.steps.size());
  std::vector<int> last_read(program.blocks.size(), -1), written(program.blocks.size(), never);
  for (std::size_t id = 0; id < program.blocks.size(); ++id) {
    if (program.blocks[id].storage == Block::Storage::feed) written[id] = -1;
    if (program.blocks[id].keep) last_read[id] = never;
  }
  for (int i = 0; i < never; ++i)
    for (const BlockId id : touched(program.steps[static_cast<std::size_t>(i)]).inputs)
      last_read[static_cast<std::size_t>(id)] = std::max(last_read[static_cast<std::size_t>(id)], i);

  int hits = 0;
  for (int i = 0; i < never; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Touched step = touched(program.steps[at]);
    std::vector<Range> writes;
    for (const BlockId id : step.outputs) writes.push_back(range(id));
    const std::int64_t workspace = compiled.memory.workspace_offsets[at];
    if (workspace >= 0)
      writes.push_back({workspace, workspace + static_cast<std::int64_t>(compiled.kernels[at].workspace)});
    for (std::size_t a = 0; a < writes.size(); ++a)
      for (std::size_t b = 0; b < a; ++b) hits += writes[a].overlaps(writes[b]);
    for (BlockId id = 0; id < static_cast<BlockId>(program.blocks.size()); ++id) {
      const bool own = std::find(step.outputs.begin(), step.outputs.end(), id) != step.outputs.end();
      const bool read_here = last_read[static_cast<std::size_t>(id)] == i;
      const bool live = written[static_cast<std::size_t>(id)] < i && last_read[static_cast<std::size_t>(id)] >= i;
      if (own || !live) continue;
      for (std::size_t w = 0; w < writes.size(); ++w) {
        const bool allowed = step.in_place && read_here && w == step.overwriting && writes[w].begin == range(id).begin;
        hits += writes[w].overlaps(range(id)) && !allowed;
      }
    }
    for (const BlockId id : step.outputs) {
      int& first = written[static_cast<std::size_t>(id)];
      first = std::min(first, i);
    }
  }
  return hits;
}

TEST_CASE("No step writes over what is still to be read", "[memory_plan]") {
  for (const test::MeshCase& mesh : {test::MeshCase{}, {"1d", 1, 2}, {"2d", 1, 4}, {"2d", 2, 4}})
    for (const DType real : {DType::f32, DType::f64}) {
      JobOptions job = test::small_job(mesh, 24, real);
      job.keep_gradients = mesh.data == 2;
      const Plan plan = make_plan(job, job.data * job.tensor - 1);
      INFO(plan.mesh.text() << ", " << name_of(real));
      CHECK(count_clobbered(plan.training.compiled) == 0);
      CHECK(count_clobbered(plan.evaluation->compiled) == 0);
    }
}

// The main job's statement 5: the peak is within 10 % of the largest sum of live bytes.
void check_peak(const JobOptions& job, const std::string& what) {
  const Plan plan = make_plan(job, job.data * job.tensor - 1);
  for (const StepPlan* step : std::initializer_list<const StepPlan*>{&plan.training, plan.evaluation.get()}) {
    if (step == nullptr) continue;
    const MemoryPlan& memory = step->compiled.memory;
    INFO(what << " on " << plan.mesh.text() << ": arena " << memory.arena_bytes << ", lower bound "
              << memory.lower_bound);
    CHECK(memory.lower_bound > 0);
    CHECK(memory.arena_bytes >= memory.lower_bound);
    CHECK(static_cast<double>(memory.arena_bytes) <= 1.1 * static_cast<double>(memory.lower_bound));
  }
}

const std::vector<test::MeshCase> meshes{{}, {"1d", 1, 2}, {"2d", 1, 4}, {"", 2, 1}};

TEST_CASE("The arena of a ViT-Tiny of twelve layers is within 10 % of the lower bound", "[memory_plan]") {
  for (const test::MeshCase& mesh : meshes) {
    JobOptions job = test::small_job(mesh, 64, DType::f32);
    job.model = make_vit({.img_size = 32,
                          .patch_size = 4,
                          .in_channels = 3,
                          .num_classes = 10,
                          .hidden_size = 192,
                          .depth = 12,
                          .num_heads = mesh.tensor == 1 ? 3 : 4});
    job.sample.extents = {3, 32, 32};
    job.optimizer.kind = OptimizerOptions::Kind::adam;
    check_peak(job, "ViT-Tiny");
  }
}

TEST_CASE("The arena of an MLP is within 10 % of the lower bound", "[memory_plan]") {
  for (const test::MeshCase& mesh : meshes) {
    JobOptions job = test::small_job(mesh, 128, DType::f32);
    job.model = make_mlp({.dims = {256, 1024, 256, 1024, 10}, .dropout = 0.1});
    job.sample.extents = {256};
    check_peak(job, "MLP");
  }
}

TEST_CASE("The totals of a plan", "[memory_plan]") {
  JobOptions job = test::small_job({}, 12, DType::f32);
  job.optimizer.kind = OptimizerOptions::Kind::adam;
  const Plan plan = make_plan(job, 0);
  const MemoryPlan& memory = plan.training.compiled.memory;
  CHECK(memory.parameter_bytes >= 4 * plan.parameters());
  CHECK(memory.state_bytes == 2 * memory.parameter_bytes);
  CHECK(plan.arena_bytes() == std::max(memory.arena_bytes, plan.evaluation->compiled.memory.arena_bytes));
  CHECK(plan.next_batch_bytes() == 0);  // nor is any brought ahead on the CPU
  CHECK(plan.device_bytes() == plan.arena_bytes() + memory.parameter_bytes + memory.state_bytes);
  CHECK(memory.feed_bytes == align_up(12 * test::image_side * test::image_side * 4) + align_up(12 * 4));

  JobOptions split = test::small_job({"2d", 1, 9}, 12, DType::f32);
  const Plan part = make_plan(split, 4);
  CHECK(part.parameters() == plan.parameters());  // of the whole model
  CHECK(part.training.compiled.memory.parameter_bytes < memory.parameter_bytes / 4);
}

}  // namespace
}  // namespace ctrain
