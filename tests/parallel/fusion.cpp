// Fused steps give the same numbers, and appear exactly where a dimension is whole.
#include "parallel/fusion/fusion.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "ops/build.h"
#include "ops/philox.h"
#include "parallel/partition.h"
#include "runtime/memory_plan.h"
#include "runtime/models/vit.h"
#include "runtime/training_graph.h"
#include "tests/support/program_on_rank.h"
#include "tests/support/run_ranks.h"

namespace ctrain {
namespace {

// The steps of an op; with this many operands, unless any number will do.
std::vector<const LocalStep*> steps_of(const Program& program, const std::string& op, std::size_t operands = 0) {
  std::vector<const LocalStep*> steps;
  for (const Step& step : program.steps)
    if (const auto* local = std::get_if<LocalStep>(&step);
        local != nullptr && local->node.op == op && (operands == 0 || local->inputs.size() == operands))
      steps.push_back(local);
  return steps;
}
std::size_t count(const Program& program, const std::string& op, std::size_t operands = 0) {
  return steps_of(program, op, operands).size();
}

// A training step of a ViT of two blocks; by itself without dropout, so that no mask hides a difference.
StepGraph vit_step(double dropout = 0) {
  const auto vit = make_vit({.img_size = 6,
                             .patch_size = 3,
                             .in_channels = 1,
                             .num_classes = 10,
                             .hidden_size = 16,
                             .depth = 2,
                             .num_heads = 4,
                             .mlp_ratio = 2,
                             .dropout = dropout});
  return build_step(*vit, {true, {{1, 6, 6}}, {}}, 12, DType::f64, {}, {});
}

Program vit_program(const StepGraph& step, const Mode& mode, int rank) {
  PartitionOptions options{.fetch = step.metrics()};
  for (const auto& [value, gradient] : step.gradients) options.fetch.push_back(gradient);
  return partition(*step.graph, mode, rank, options);
}

Program fused_vit(const StepGraph& step, const Mode& mode) {
  Program program = vit_program(step, mode, 0);
  fuse(program);
  return program;
}

// Numbers of this rank's own in everything that the program does not compute itself.
void fill(const test::ProgramOnRank& rank) {
  const auto fill_block = [&](BlockId id, const std::string& name) {
    const Block& block = rank.block(id);
    for (std::int64_t i = 0; i < block.operand.elements(); ++i) {
      const auto index = static_cast<std::uint64_t>(i);
      if (block.operand.dtype == DType::i32) {
        rank.data<std::int32_t>(id)[i] = static_cast<std::int32_t>(random_below(random_key(2, name), index, 10));
      } else {
        rank.data(id)[i] = random_normal(random_key(2, name), index);
      }
    }
  };
  for (const FeedBlock& feed : rank.program().feeds) fill_block(feed.block, feed.input);
  for (const auto& [name, id] : rank.program().persistent) fill_block(id, name);
}

TEST_CASE("A fused program computes what the plain one does", "[fusion]") {
  const StepGraph step = vit_step(GENERATE(0.0, 0.1));
  for (const Mode& mode : {make_mode("", 1, {1}), make_mode("1d", 1, {2}), make_mode("2d", 1, {4})}) {
    double worst = 0;
    std::mutex mutex;
    run_ranks(mode.mesh.size(), [&](Communicator& world) {
      Program fused = vit_program(step, mode, world.rank());
      fuse(fused);
      test::ProgramOnRank with(std::move(fused), world);
      test::ProgramOnRank without(vit_program(step, mode, world.rank()), world);
      for (test::ProgramOnRank* rank : {&with, &without}) {
        fill(*rank);
        rank->run();
      }
      const std::lock_guard lock(mutex);
      for (const auto& [value, id] : without.program().kept) {
        const double *a = with.data(with.program().kept.at(value)), *b = without.data(id);
        for (std::int64_t i = 0; i < without.block(id).operand.elements(); ++i) {
          const double error = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
        }
      }
    });
    INFO(mode.mesh.text() << ": " << worst);
    CHECK(worst < 1e-12);
  }
}

TEST_CASE("Steps are fused where what they look across is whole on the rank", "[fusion]") {
  const StepGraph step = vit_step();
  constexpr std::size_t norms = 2 * 2 + 1;
  const Program serial = fused_vit(step, make_mode("", 1, {1}));
  CHECK(count(serial, "layer_norm_fused") == norms);
  CHECK(count(serial, "layer_norm_grad_fused") == norms);
  CHECK(count(serial, "layer_norm") == 0);
  CHECK(count(serial, "layer_norm_sum") == 0);
  CHECK(count(serial, "linear") == 4 * 2 + 2);  // with patches and head

  const Program columns = fused_vit(step, make_mode("1d", 1, {2}));
  CHECK(count(columns, "layer_norm_fused") == norms);
  CHECK(count(columns, "linear") == 2 * 2 + 1);  // row-parallel products are summed before their bias is added

  const Program grid = fused_vit(step, make_mode("2d", 1, {4}));
  CHECK(count(grid, "layer_norm_fused") == 0);
  CHECK(count(grid, "layer_norm") == norms);
  CHECK(count(grid, "linear") == 1);  // patches: their weight is gathered
}

TEST_CASE("A product that is wanted itself is not fused away", "[fusion]") {
  const StepGraph step = vit_step();
  PartitionOptions options;
  for (const Node& node : step.graph->nodes())
    if (node.op->name == "matmul" && options.fetch.empty()) options.fetch.push_back(node.outputs[0]);
  Program program = partition(*step.graph, make_mode("", 1, {1}), 0, options);
  fuse(program);
  CHECK(count(program, "linear") == 4 * 2 + 1);
}

constexpr std::size_t residuals = 2 * 2;  // all but the first layer norm read one, all but the last give it a gradient

TEST_CASE("Layer norms take in the residual and its gradient where their rows are whole", "[fusion]") {
  const StepGraph dropped = vit_step(0.1), plain = vit_step();
  for (const Program& program : {fused_vit(dropped, make_mode("", 1, {1})), fused_vit(dropped, make_mode("1d", 1, {2})),
                                 fused_vit(plain, make_mode("1d", 1, {2}))}) {
    CHECK(count(program, "layer_norm_fused", 4) == residuals);
    CHECK(count(program, "layer_norm_fused", 3) == 1);
    CHECK(count(program, "layer_norm_grad_fused", 6) == residuals);
    CHECK(count(program, "layer_norm_grad_fused", 5) == 1);
  }
  CHECK(count(fused_vit(plain, make_mode("", 1, {1})), "layer_norm_grad_fused", 6) == residuals);
}

TEST_CASE("A layer norm's outputs take the memory of residuals that die there", "[fusion]") {
  const StepGraph step = vit_step(0.1);
  Program program = partition(*step.graph, make_mode("", 1, {1}), 0, {.fetch = step.metrics()});
  fuse(program);
  const MemoryPlan plan = plan_memory(program, {});
  const auto offset = [&](BlockId id) { return plan.block_offsets[static_cast<std::size_t>(id)]; };
  for (const LocalStep* norm : steps_of(program, "layer_norm_fused", 4))  // the branch's end: nobody else wants it
    CHECK(offset(norm->outputs[0]) == offset(norm->inputs[0]));
  for (const LocalStep* grad : steps_of(program, "layer_norm_grad_fused", 6))
    CHECK(offset(grad->outputs[0]) == offset(grad->inputs[5]));
  for (const LocalStep* grad : steps_of(program, "layer_norm_grad_fused", 5))
    CHECK(offset(grad->outputs[0]) == offset(grad->inputs[0]));
}

TEST_CASE("A gradient that is wanted without the residual's is left to itself", "[fusion]") {
  const bool is_kept = GENERATE(true, false);  // or read by another step
  const StepGraph step = vit_step();
  PartitionOptions options{.fetch = step.metrics()};
  Value* dx = nullptr;
  for (const Node& node : step.graph->nodes())
    if (node.op->name == "layer_norm_grad_input") dx = node.outputs[0];
  options.fetch.push_back(is_kept ? dx : sum_to(dx, "h"));
  for (const auto& [value, gradient] : step.gradients) options.fetch.push_back(gradient);
  Program program = partition(*step.graph, make_mode("", 1, {1}), 0, options);
  fuse(program);
  CHECK(count(program, "layer_norm_grad_fused", 6) == residuals - 1);
  CHECK(count(program, "layer_norm_grad_fused", 5) == 2);
}

TEST_CASE("A sum is left to itself where somebody reads it before its layer norm", "[fusion]") {
  const bool is_read_before = GENERATE(true, false);
  Graph graph(DType::f64);
  graph.set_extent({'b'}, 2);
  graph.set_extent({'h'}, 4);
  const auto input = [&](const std::string& name) { return graph.input(name, "bh", DType::f64); };
  Value* sum = add({input("x"), input("y")});
  Value* weight = graph.parameter("w", "h", ParameterRole::vector, {});
  Value* bias = is_read_before ? sum_to(activation(sum, "relu"), "h") : weight;
  const PartitionOptions options{.fetch = {layer_norm(sum, weight, bias, 1e-5), activation(sum, "tanh")}};
  Program program = partition(graph, make_mode("", 1, {1}), 0, options);
  fuse(program);
  CHECK(count(program, "layer_norm_fused", is_read_before ? 3 : 4) == 1);
  CHECK(count(program, "add") == (is_read_before ? 1 : 0));
}

}  // namespace
}  // namespace ctrain
