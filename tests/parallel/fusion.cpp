// Fused steps give the same numbers, and appear exactly where a dimension is whole.
#include "parallel/fusion/fusion.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "ops/philox.h"
#include "parallel/partition.h"
#include "runtime/models/vit.h"
#include "runtime/training_graph.h"
#include "tests/support/program_on_rank.h"
#include "tests/support/run_ranks.h"

namespace ctrain {
namespace {

std::int64_t count(const Program& program, const std::string& op) {
  return std::count_if(program.steps.begin(), program.steps.end(), [&](const Step& step) {
    const auto* local = std::get_if<LocalStep>(&step);
    return local != nullptr && local->node.op == op;
  });
}

// A training step of a ViT of two blocks; without dropout, so that no mask hides a difference.
StepGraph vit_step(const Precision& precision = DType::f64) {
  const auto vit = make_vit({.img_size = 6,
                             .patch_size = 3,
                             .in_channels = 1,
                             .num_classes = 10,
                             .hidden_size = 16,
                             .depth = 2,
                             .num_heads = 4,
                             .mlp_ratio = 2});
  return build_step(*vit, {true, {{1, 6, 6}}, {}}, 12, precision, {}, {});
}

Program vit_program(const StepGraph& step, const Mode& mode, int rank) {
  PartitionOptions options{.fetch = step.metrics()};
  for (const auto& [value, gradient] : step.gradients) options.fetch.push_back(gradient);
  return partition(*step.graph, mode, rank, options);
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
  const StepGraph step = vit_step();
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
  const auto fused = [&](const Mode& mode) {
    Program program = vit_program(step, mode, 0);
    fuse(program);
    return program;
  };
  constexpr std::int64_t norms = 2 * 2 + 1;
  const Program serial = fused(make_mode("", 1, {1}));
  CHECK(count(serial, "layer_norm_fused") == norms);
  CHECK(count(serial, "layer_norm_grad_fused") == norms);
  CHECK(count(serial, "layer_norm") == 0);
  CHECK(count(serial, "layer_norm_sum") == 0);
  CHECK(count(serial, "linear") == 4 * 2 + 2);  // with patches and head
  CHECK(count(serial, "cross_entropy_fused") == 1);
  for (const char* part : {"class_max", "class_sum_exp", "class_target", "class_nll", "class_place", "correct"})
    CHECK(count(serial, part) == 0);

  const StepGraph mixed = vit_step(Precision(DType::f32, DType::bf16));
  Program mixed_program = vit_program(mixed, make_mode("", 1, {1}), 0);
  fuse(mixed_program);
  CHECK(count(mixed_program, "cross_entropy_fused") == 1);
  CHECK(count(mixed_program, "class_max") == 0);

  const Program columns = fused(make_mode("1d", 1, {2}));
  CHECK(count(columns, "cross_entropy_fused") == 1);
  CHECK(count(columns, "layer_norm_fused") == norms);
  CHECK(count(columns, "linear") == 2 * 2 + 1);  // row-parallel products are summed before their bias is added

  const Program grid = fused(make_mode("2d", 1, {4}));
  CHECK(count(grid, "cross_entropy_fused") == 1);  // no mode splits classes, only a vocabulary
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

}  // namespace
}  // namespace ctrain
