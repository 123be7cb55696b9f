// Fused steps give the same numbers, and appear exactly where a dimension is whole.
#include "parallel/fusion/fusion.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

#include "ops/philox.h"
#include "parallel/partition.h"
#include "runtime/models/gpt2.h"
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
StepGraph vit_step() {
  const auto vit = make_vit({.img_size = 6,
                             .patch_size = 3,
                             .in_channels = 1,
                             .num_classes = 10,
                             .hidden_size = 16,
                             .depth = 2,
                             .num_heads = 4,
                             .mlp_ratio = 2});
  return build_step(*vit, {true, {{1, 6, 6}}, {}}, 12, DType::f64, {}, {});
}

// The same of a GPT-2, whose GELU is the one by tanh; or an evaluation.
StepGraph gpt2_step(bool training = true) {
  const auto gpt2 = make_gpt2(
      {.vocab_size = 10, .max_position_embeddings = 6, .hidden_size = 16, .depth = 2, .num_heads = 4, .mlp_ratio = 2});
  return build_step(*gpt2, {training, {{6}}, {}}, 12, DType::f64, {}, {});
}

// What a step is done for: the gradients of activations come and go.
std::vector<Value*> results(const StepGraph& step) {
  std::vector<Value*> values = step.metrics();
  for (const auto& [value, gradient] : step.gradients)
    if (value->kind == Value::Kind::parameter) values.push_back(gradient);
  return values;
}

Program program_of(const StepGraph& step, const Mode& mode, int rank) {
  return partition(*step.graph, mode, rank, {.fetch = results(step)});
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

// The largest relative difference between what the two keep, on any rank.
double fusion_error(const StepGraph& step, const Mode& mode) {
  double worst = 0;
  std::mutex mutex;
  run_ranks(mode.mesh.size(), [&](Communicator& world) {
    Program fused = program_of(step, mode, world.rank());
    fuse(fused);
    test::ProgramOnRank with(std::move(fused), world);
    test::ProgramOnRank without(program_of(step, mode, world.rank()), world);
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
  return worst;
}

TEST_CASE("A fused program computes what the plain one does", "[fusion]") {
  const std::array<StepGraph, 2> steps{vit_step(), gpt2_step()};
  for (const StepGraph& step : steps)
    for (const Mode& mode : {make_mode("", 1, {1}), make_mode("1d", 1, {2}), make_mode("2d", 1, {4})}) {
      const double error = fusion_error(step, mode);
      INFO(mode.mesh.text() << ": " << error);
      CHECK(error < 1e-12);
    }
}

Program fused_program(const StepGraph& step, const Mode& mode) {
  Program program = program_of(step, mode, 0);
  fuse(program);
  return program;
}

TEST_CASE("Steps are fused where what they look across is whole on the rank", "[fusion]") {
  const StepGraph step = vit_step();
  constexpr std::int64_t norms = 2 * 2 + 1, linears = 4 * 2 + 2;  // with patches and head
  const Program serial = fused_program(step, make_mode("", 1, {1}));
  CHECK(count(serial, "layer_norm_fused") == norms);
  CHECK(count(serial, "layer_norm_grad_fused") == norms);
  CHECK(count(serial, "layer_norm") == 0);
  CHECK(count(serial, "layer_norm_sum") == 0);
  CHECK(count(serial, "linear") == linears - 2 * 2);
  CHECK(count(serial, "linear_residual") == 2 * 2);
  CHECK(count(serial, "linear_grad_weight") == linears);
  CHECK(count(serial, "linear_gelu") + count(serial, "matmul_gelu_grad") == 0);  // its GELU is the exact one

  const Program columns = fused_program(step, make_mode("1d", 1, {2}));
  CHECK(count(columns, "layer_norm_fused") == norms);
  CHECK(count(columns, "linear") == 2 * 2 + 1);  // row-parallel products are summed before their bias is added
  CHECK(count(columns, "linear_residual") == 0);
  CHECK(count(columns, "linear_grad_weight") == linears);

  const Program grid = fused_program(step, make_mode("2d", 1, {4}));
  CHECK(count(grid, "layer_norm_fused") == 0);
  CHECK(count(grid, "layer_norm") == norms);
  CHECK(count(grid, "linear") == 1);  // patches: their weight is gathered
}

TEST_CASE("Only GELU by tanh is fused to products, and keeps what its gradient reads", "[fusion]") {
  const Program program = fused_program(gpt2_step(), make_mode("", 1, {1}));
  CHECK(count(program, "linear_gelu") == 2);
  CHECK(count(program, "matmul_gelu_grad") == 2);
  CHECK(count(program, "linear_residual") == 2 * 2);
  CHECK(count(program, "linear_grad_weight") == 4 * 2);
  CHECK(count(program, "linear") == 2);

  const Program columns = fused_program(gpt2_step(), make_mode("1d", 1, {2}));
  CHECK(count(columns, "linear_gelu") == 2);
  CHECK(count(columns, "matmul_gelu_grad") == 2);

  const auto outputs_of_gelu = [](const Program& of) {
    std::size_t outputs = 0;
    for (const Step& step : of.steps)
      if (const auto* local = std::get_if<LocalStep>(&step); local != nullptr && local->node.op == "linear_gelu")
        outputs = local->outputs.size();
    return outputs;
  };
  CHECK(outputs_of_gelu(program) == 2);
  CHECK(outputs_of_gelu(fused_program(gpt2_step(false), make_mode("", 1, {1}))) == 1);
}

double flops(const Program& program) {
  double sum = 0;
  for (const Step& step : program.steps)
    if (const auto* local = std::get_if<LocalStep>(&step)) sum += local->flops;
  return sum;
}

TEST_CASE("Fused steps count their products' operations", "[fusion]") {
  const std::array<StepGraph, 2> steps{vit_step(), gpt2_step()};
  for (const StepGraph& step : steps)
    for (const Mode& mode : {make_mode("", 1, {1}), make_mode("1d", 1, {2}), make_mode("2d", 1, {4})})
      CHECK(flops(fused_program(step, mode)) == flops(program_of(step, mode, 0)));
}

// The fused program of one rank that keeps this value too.
Program fused_program_with(const StepGraph& step, Value* kept) {
  std::vector<Value*> fetch = results(step);
  fetch.push_back(kept);
  Program program = partition(*step.graph, make_mode("", 1, {1}), 0, {.fetch = fetch});
  fuse(program);
  return program;
}

// The first value of this op, or the i-th operand of the first node of it.
Value* made_by(const StepGraph& step, const std::string& op, int operand = -1) {
  for (const Node& node : step.graph->nodes())
    if (node.op->name == op) return operand < 0 ? node.outputs[0] : node.inputs[static_cast<std::size_t>(operand)];
  return nullptr;
}

TEST_CASE("What is wanted itself is not fused away", "[fusion]") {
  const StepGraph vit = vit_step();
  CHECK(count(fused_program_with(vit, made_by(vit, "matmul")), "linear") == 4 + 1);

  const StepGraph gpt2 = gpt2_step();
  Value* branch = nullptr;
  for (const Node& node : gpt2.graph->nodes())
    if (node.op->name == "add" && branch == nullptr)
      for (Value* term : node.inputs)
        if (term->producer->op->name == "bias") branch = term;
  CHECK(count(fused_program_with(gpt2, branch), "linear_residual") == 3);
  CHECK(count(fused_program_with(gpt2, made_by(gpt2, "activation_grad", 1)), "matmul_gelu_grad") == 1);
  CHECK(count(fused_program_with(gpt2, made_by(gpt2, "activation", 0)), "linear_gelu") == 2);  // it is kept beside
}

}  // namespace
}  // namespace ctrain
