// The numbers of a plan against closed forms and against ranks that run.
#include "runtime/plan_facts.h"

#include <catch2/catch.hpp>
#include <mutex>
#include <numeric>

#include "runtime/models/mlp.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using test::MeshCase;

std::vector<Plan> plans_of_all_ranks(const JobOptions& job) {
  std::vector<Plan> plans;
  for (int rank = 0; rank < job.data * job.tensor; ++rank) plans.push_back(make_plan(job, rank));
  return plans;
}

Flops sum_of_rank_flops(const std::vector<Plan>& plans) {
  Flops sum;
  for (const Plan& plan : plans) {
    const Flops flops = rank_flops(plan.training.compiled.program);
    sum.forward += flops.forward;
    sum.backward += flops.backward;
  }
  return sum;
}

// A multiplication and an addition for each of m n k.
double product(double m, double n, double k) { return 2 * m * n * k; }

TEST_CASE("FLOPs of one linear layer: 2 B I O forward, and as many for the weight's gradient", "[plan_facts]") {
  JobOptions job = test::small_job({}, 24);
  job.model = make_mlp({.dims = {36, 72}});
  job.sample.extents = {36};
  job.target.labels = false;
  job.loss.kind = LossOptions::Kind::mean_squared_error;
  for (const MeshCase& mesh : {MeshCase{}, {"", 4}, {"1d", 1, 4}, {"2d", 1, 9}, {"2.5d", 1, 8, 2}, {"3d", 1, 8}}) {
    job.data = mesh.data;
    job.tensor = mesh.tensor;
    job.depth = mesh.depth;
    job.tensor_mode = mesh.mode;
    INFO(mesh.text());
    const std::vector<Plan> plans = plans_of_all_ranks(job);
    const Flops logical = logical_flops(*plans[0].training.graph.graph), ranks = sum_of_rank_flops(plans);
    CHECK(logical.forward == product(24, 36, 72));
    CHECK(logical.backward == product(24, 36, 72));
    CHECK(ranks.forward == logical.forward);
    CHECK(ranks.backward == logical.backward);
    CHECK(logical_flops(*plans[0].evaluation->graph.graph).total() == product(24, 36, 72));
  }
}

// The small ViT: b images of 4 patches of 9 pixels and a class token (which is embedded as an
// empty patch first), 36 wide (72 inside), 2 blocks, 10 classes.
struct VitFlops {
  static constexpr double b = 72, s = 5, h = 36, f = 72;
  double embedding = product(b * s, 9, h), head = product(b, h, 10);
  double linear = product(b * s, h, 3 * h) + product(b * s, h, h) + 2 * product(b * s, h, f);  // qkv, proj, fc1, fc2
  double scores = product(b, s* s, h);                                                         // q k of all heads
  double forward = embedding + 2 * (linear + 2 * scores) + head;
  // Twice a product's own, but the images want no gradient; five products in attention.
  double backward = embedding + 2 * (2 * linear + 5 * scores) + 2 * head;
};

TEST_CASE("FLOPs of a ViT are those of its products and its attention, each once over all ranks", "[plan_facts]") {
  const VitFlops vit;
  for (const MeshCase& mesh : {MeshCase{}, {"", 4}, {"2d", 1, 4}, {"2d", 2, 9}, {"2.5d", 1, 8, 2}, {"3d", 1, 8}}) {
    const std::vector<Plan> plans = plans_of_all_ranks(test::small_job(mesh, 72));
    INFO(mesh.text());
    const Flops logical = logical_flops(*plans[0].training.graph.graph), ranks = sum_of_rank_flops(plans);
    CHECK(logical.forward == vit.forward);
    CHECK(logical.backward == vit.backward);
    CHECK(ranks.forward == vit.forward);
    CHECK(ranks.backward == vit.backward);
  }
}

TEST_CASE("FLOPs that several ranks do alike, and those on padding, count for each rank", "[plan_facts]") {
  const VitFlops vit;
  constexpr double p = 4;
  // 1d: every rank embeds all patches, and gets the whole gradient of what the head reads.
  const Flops columns = sum_of_rank_flops(plans_of_all_ranks(test::small_job({"1d", 1, 4}, 72)));
  CHECK(columns.forward == vit.forward + (p - 1) * vit.embedding);
  CHECK(columns.backward == vit.backward + (p - 1) * (vit.embedding + vit.head));
  // 70 images on 9 data-parallel ranks are padded to 72.
  const std::vector<Plan> padded = plans_of_all_ranks(test::small_job({"", 9}, 70));
  CHECK(logical_flops(*padded[0].training.graph.graph).forward == vit.forward * 70 / 72);
  CHECK(sum_of_rank_flops(padded).forward == vit.forward);
}

TEST_CASE("A round of ring attention is its share; causal attention counts half", "[plan_facts]") {
  JobOptions job = test::small_job({}, 24);
  job.tensor_mode = "sequence";
  const auto attention_flops = [&](int ranks) {
    job.tensor = ranks;
    double sum = 0;
    for (const Plan& plan : plans_of_all_ranks(job))
      for (const Step& step : plan.training.compiled.program.steps)
        if (const auto* local = std::get_if<LocalStep>(&step);
            local != nullptr && local->node.op.find("attention") != std::string::npos)
          sum += local->flops;
    return sum;
  };
  // 5 tokens are 6 on 3 ranks.
  CHECK(attention_flops(3) == 2 * 7 * product(24, 6 * 6, 36));
  job.tensor_mode = "";
  CHECK(attention_flops(1) == 2 * 7 * product(24, 5 * 5, 36));

  Graph graph;
  for (const auto& [name, extent] : {std::pair{'b', 2}, {'s', 8}, {'t', 3}, {'n', 4}, {'d', 16}})
    graph.set_extent({name}, extent);
  Value* qkv = graph.input("qkv", "bstnd", DType::f32);
  for (const std::int64_t causal : {0, 1}) {
    const auto outputs = graph.apply("attention", {qkv}, {{"causal", causal}, {"rate", 0.0}, {"key", "k"}});
    CHECK(outputs[0]->producer->flops() == 2 * product(2 * 4, 8 * 8, 16) / (causal == 1 ? 2 : 1));
  }
}

const std::vector<MeshCase> meshes{{},           {"", 2},           {"1d", 1, 3}, {"2d", 1, 4},
                                   {"2d", 2, 9}, {"2.5d", 1, 8, 2}, {"3d", 2, 8}, {"sequence", 2, 3}};

TEST_CASE("The arena by kind adds up to what is live at its fullest step", "[plan_facts]") {
  for (const MeshCase& mesh : meshes) {
    JobOptions job = test::small_job(mesh, 72, DType::f32);
    const Plan plan = make_plan(job, mesh.ranks() - 1);
    INFO(mesh.text());
    for (const StepPlan* step : std::initializer_list<const StepPlan*>{&plan.training, plan.evaluation.get()}) {
      const ArenaUse use = arena_use(step->compiled);
      const bool training = step == &plan.training;
      CHECK(std::accumulate(use.at_fullest.begin(), use.at_fullest.end(), std::int64_t{0}) ==
            step->compiled.memory.lower_bound);
      for (std::size_t i = 0; i < arena_kind_count; ++i) CHECK(use.most[i] >= use.at_fullest[i]);
      const auto most = [&](ArenaKind kind) { return use.most[static_cast<std::size_t>(kind)]; };
      CHECK(most(ArenaKind::input) > 0);
      CHECK(most(ArenaKind::activation) > most(ArenaKind::input));
      CHECK((most(ArenaKind::gradient) > 0) == training);
      CHECK((most(ArenaKind::parameter_gradient) > 0) == training);
      CHECK((most(ArenaKind::communication) > 0) == (mesh.tensor > 1));
    }
  }
}

TEST_CASE("bf16 halves activations; parameters and their gradients stay fp32", "[plan_facts]") {
  for (const MeshCase& mesh : meshes) {
    INFO(mesh.text());
    JobOptions job = test::small_job(mesh, 72, DType::f32);
    const Plan whole = make_plan(job, 0);
    job.mixed_precision = DType::bf16;
    const Plan mixed = make_plan(job, 0);
    const ArenaUse use = arena_use(mixed.training.compiled), before = arena_use(whole.training.compiled);
    const auto ratio = [&](ArenaKind kind) {
      const auto i = static_cast<std::size_t>(kind);
      return static_cast<double>(use.most[i]) / static_cast<double>(before.most[i]);
    };
    CHECK(ratio(ArenaKind::activation) > 0.5);  // statistics of rows do not shrink
    CHECK(ratio(ArenaKind::activation) < 0.6);
    CHECK(ratio(ArenaKind::parameter_gradient) == 1);
    CHECK(mixed.training.compiled.memory.parameter_bytes == whole.training.compiled.memory.parameter_bytes);
    CHECK(mixed.training.compiled.memory.state_bytes == whole.training.compiled.memory.state_bytes);
    const auto copies = static_cast<std::size_t>(ArenaKind::parameter_copy);
    CHECK(before.most[copies] == 0);
    CHECK(use.most[copies] > 0);
    CHECK(use.most[copies] <= (mixed.training.compiled.memory.parameter_bytes + 1) / 2);
  }
}

TEST_CASE("Every tensor of the arena is told with its gradient's or its own name, in the order of making",
          "[plan_facts]") {
  const Plan plan = make_plan(test::small_job({"3d", 1, 8}, 72), 5);
  const std::vector<ArenaTensor> tensors = arena_tensors(plan.training.compiled.program);
  const auto find = [&](const std::string& name, ArenaKind kind) {
    const auto is_it = [&](const ArenaTensor& tensor) { return tensor.name == name && tensor.kind == kind; };
    const auto it = std::find_if(tensors.begin(), tensors.end(), is_it);
    REQUIRE(it != tensors.end());
    return *it;
  };
  CHECK(find("images", ArenaKind::input).made_by == "data loader");
  CHECK(find("blocks.0.attention", ArenaKind::activation).made_by == "attention");
  CHECK(find("blocks.1.attention_grad", ArenaKind::gradient).made_by == "attention_grad");
  const ArenaTensor gathered = find("blocks.1.mlp.fc1.weight", ArenaKind::communication);
  CHECK(gathered.made_by == "all_gather over weight");
  CHECK(gathered.block->layout.text(gathered.block->operand.dims, plan.mesh) == "h(output) f(input)");
  find("blocks.1.mlp.fc1.weight.grad", ArenaKind::parameter_gradient);
  CHECK(tensors.front().kind == ArenaKind::input);
}

TEST_CASE("Calls and bytes are those that the communicators of a running rank count", "[plan_facts]") {
  for (const MeshCase& mesh :
       {MeshCase{}, {"", 2}, {"1d", 1, 3}, {"2d", 1, 4}, {"2.5d", 1, 8, 2}, {"3d", 1, 8}, {"sequence", 2, 2}}) {
    const JobOptions job = test::small_job(mesh, 72);
    const test::SmallData data(72);
    std::mutex mutex;
    INFO(mesh.text());
    test::run_job(job, [&](Rank& rank, Communicator&) {
      const TrafficTable traffic = rank_traffic(rank.plan().training.compiled.program);
      const auto axes = static_cast<Axis>(rank.plan().mesh.axes().size());
      std::vector<std::int64_t> calls_before(axes);
      for (Axis axis = 0; axis < axes; ++axis)
        if (const Communicator* line = rank.mesh().along(axis)) calls_before[axis] = line->calls();
      BatchAssembler assembler = data.assembler(rank.plan().training, job.global_batch);
      Batch batch = assembler.make_batch();
      assembler.fill(batch, 0, 0);
      rank.train(batch, {0, 0.05});
      const std::lock_guard lock(mutex);
      for (Axis axis = 0; axis < axes; ++axis) {
        const Communicator* line = rank.mesh().along(axis);
        Traffic planned;
        for (const auto& [key, part] : traffic) {
          if (key.second != axis) continue;
          REQUIRE(line != nullptr);
          planned.calls += part.calls;
          CHECK(line->sent(key.first) == part.bytes);
        }
        CHECK(planned.calls == (line == nullptr ? 0 : line->calls() - calls_before[axis]));
      }
    });
  }
}

// The weights of the linear layers inside the blocks: a rank holds 1/P of them (1d), 1/q² (2d and, whatever the depth,
// 2.5d), 1/q³ (3d), or all (sequence); data-parallel ranks all alike.
TEST_CASE("Parameter memory is 1/P, 1/q², 1/q², 1/q³ and 1 of the model's", "[plan_facts]") {
  const auto held = [](const Plan& plan) {
    std::int64_t bytes = 0;
    for (const Block& block : plan.training.compiled.program.blocks)
      if (block.storage == Block::Storage::parameter && block.value->role == ParameterRole::linear)
        bytes += block.bytes();
    return bytes;
  };
  const std::int64_t whole = held(make_plan(test::small_job({}, 72), 0));
  CHECK(whole == 8 * 2 * (4 * 36 * 36 + 2 * 36 * 72));
  const std::vector<std::pair<MeshCase, int>> parts{{{"1d", 1, 4}, 4},       {{"2d", 2, 4}, 4}, {{"2d", 1, 9}, 9},
                                                    {{"2.5d", 1, 12, 3}, 4}, {{"3d", 1, 8}, 8}, {{"3d", 2, 8}, 8},
                                                    {{"sequence", 1, 3}, 1}, {{"", 3}, 1}};
  for (const auto& [mesh, part] : parts) {
    INFO(mesh.text());
    std::int64_t sum = 0;
    for (const Plan& plan : plans_of_all_ranks(test::small_job(mesh, 72))) {
      CHECK(held(plan) == whole / part);
      sum += held(plan);
    }
    CHECK(sum == whole * mesh.ranks() / part);
  }
}

}  // namespace
}  // namespace ctrain
