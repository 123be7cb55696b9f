// Fused steps give the same numbers, and appear exactly where a dimension is whole.
#include "parallel/fusion/fusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "ops/philox.h"
#include "parallel/fusion/program_editor.h"
#include "parallel/partition.h"
#include "runtime/models/vit.h"
#include "runtime/pipeline_plan.h"
#include "runtime/training_graph.h"
#include "tests/support/program_on_rank.h"
#include "tests/support/run_ranks.h"

namespace ctrain {
namespace {

std::vector<const LocalStep*> steps_of(const Program& program, const std::string& op) {
  std::vector<const LocalStep*> result;
  for (const Step& step : program.steps)
    if (const auto* local = std::get_if<LocalStep>(&step); local != nullptr && local->node.op == op)
      result.push_back(local);
  return result;
}

std::size_t count(const Program& program, const std::string& op) { return steps_of(program, op).size(); }

// A training step of a ViT of two blocks; without dropout, so that no mask hides a difference.
StepGraph vit_step(const Precision& precision = DType::f64, std::int64_t hidden_size = 16) {
  const auto vit = make_vit({.img_size = 6,
                             .patch_size = 3,
                             .in_channels = 1,
                             .num_classes = 10,
                             .hidden_size = hidden_size,
                             .depth = 2,
                             .num_heads = 4,
                             .mlp_ratio = 2});
  return build_step(*vit, {true, {{1, 6, 6}}, {}}, 12, precision, {}, {.kind = OptimizerOptions::Kind::adam});
}

Program vit_program(const StepGraph& step, const Mode& mode, int rank) {
  PartitionOptions options{.fetch = step.metrics()};
  for (const auto& [value, gradient] : step.gradients) options.fetch.push_back(gradient);
  PipelineOptions pipeline;
  if (const std::optional<Axis> stages = mode.mesh.find(pipeline_axis)) {
    pipeline.stages = mode.mesh.size(*stages);
    pipeline.micro_batches = 3;
  }
  options.schedule = schedule_of(pipeline, 1, true);
  options.first_blocks = first_blocks(*step.graph, pipeline);
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
        const double number = random_normal(random_key(2, name), index);
        rank.data(id)[i] = block.storage == Block::Storage::state ? std::abs(number) : number;  // second moments too
      }
    }
  };
  for (const FeedBlock& feed : rank.program().feeds) fill_block(feed.block, feed.input);
  for (const auto& [name, id] : rank.program().persistent) fill_block(id, name);
}

TEST_CASE("A fused program computes what the plain one does", "[fusion]") {
  const StepGraph step = vit_step();
  for (const Mode& mode : {make_mode("", 1, {1}), make_mode("", 2, {1}), make_mode("1d", 1, {2}),
                           make_mode("2d", 1, {4}), make_mode("1d", 1, {2}, 2)}) {
    double worst = 0;
    std::mutex mutex;
    run_ranks(mode.mesh.size(), [&](Communicator& world) {
      Program fused = vit_program(step, mode, world.rank());
      fuse(fused);
      test::ProgramOnRank with(std::move(fused), world);
      test::ProgramOnRank without(vit_program(step, mode, world.rank()), world);
      for (test::ProgramOnRank* rank : {&with, &without}) {
        fill(*rank);
        rank->run({.step = 3, .learning_rate = 0.1});
      }
      const std::lock_guard lock(mutex);
      const auto compare = [&](BlockId with_id, BlockId without_id) {
        const double *a = with.data(with_id), *b = without.data(without_id);
        for (std::int64_t i = 0; i < without.block(without_id).operand.elements(); ++i) {
          const double error = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
        }
      };
      for (const auto& [value, id] : without.program().kept) compare(with.program().kept.at(value), id);
      for (const auto& [name, id] : without.program().persistent) compare(with.program().persistent.at(name), id);
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
  constexpr std::size_t norms = 2 * 2 + 1;
  const Program serial = fused(make_mode("", 1, {1}));
  CHECK(count(serial, "layer_norm_fused") == norms);
  CHECK(count(serial, "layer_norm_grad_fused") == norms);
  CHECK(count(serial, "layer_norm") == 0);
  CHECK(count(serial, "layer_norm_sum") == 0);
  CHECK(count(serial, "linear") == 4 * 2 + 2);  // with patches and head

  const Program columns = fused(make_mode("1d", 1, {2}));
  CHECK(count(columns, "layer_norm_fused") == norms);
  CHECK(count(columns, "linear") == 2 * 2 + 1);  // row-parallel products are summed before their bias is added

  const Program grid = fused(make_mode("2d", 1, {4}));
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

std::vector<BlockId> collectives(const Program& program) {
  std::vector<BlockId> inputs;
  for (const Step& step : program.steps)
    if (const auto* collective = std::get_if<CollectiveStep>(&step)) inputs.push_back(collective->input);
  return inputs;
}

TEST_CASE("All updates of a rank are one step, and all squares of its gradients", "[fusion]") {
  const StepGraph step = vit_step();
  for (const Mode& mode : {make_mode("", 1, {1}), make_mode("", 2, {1}), make_mode("1d", 1, {2}),
                           make_mode("2d", 1, {4}), make_mode("1d", 1, {2}, 2)})
    for (int rank = 0; rank < mode.mesh.size(); ++rank) {
      INFO(mode.mesh.text() << ", rank " << rank);
      const Program plain = vit_program(step, mode, rank);
      Program joined = plain;
      ProgramEditor editor(joined);
      fuse_tensor_lists(editor);
      editor.finish();
      const std::size_t parameters = count(plain, "adam_update");
      CHECK(parameters > 8);
      for (const char* op : {"adam_update", "sum_squares"}) {
        REQUIRE(count(joined, op) == 1);
        const LocalStep& list = *steps_of(joined, op)[0];
        CHECK(list.node.name == op + fmt::format(" of {} tensors", parameters));
        CHECK(list.inputs.size() == list.node.inputs.size());
        CHECK(list.node.outputs.size() == parameters * (op == std::string("adam_update") ? 3 : 1));
      }
      CHECK(collectives(joined) == collectives(plain));
      CHECK(joined.first(Phase::update) == plain.first(Phase::update));
      CHECK(compile(joined, Backend::reference).memory.lower_bound ==
            compile(plain, Backend::reference).memory.lower_bound);
    }
}

TEST_CASE("Small parameters are cast by one step, large ones where they are read", "[fusion]") {
  constexpr std::int64_t small = 1 << 16;
  const StepGraph step = vit_step({DType::f32, DType::bf16}, 256);
  Program program = vit_program(step, make_mode("", 1, {1}), 0);
  fuse(program);
  std::vector<std::size_t> lists;  // how many parameters each list has
  std::size_t large = 0;
  for (const LocalStep* cast : steps_of(program, "cast")) {
    const auto parameters = std::count_if(cast->inputs.begin(), cast->inputs.end(), [&](BlockId id) {
      return program.blocks[static_cast<std::size_t>(id)].storage == Block::Storage::parameter;
    });
    if (parameters == 0) continue;
    if (cast->inputs.size() > 1) {
      lists.push_back(static_cast<std::size_t>(parameters));
      for (const Operand& operand : cast->node.inputs) CHECK(operand.elements() < small);
    } else {
      ++large;
      CHECK(cast->node.inputs[0].elements() >= small);
    }
  }
  // Biases of two blocks; those of patches and head with their weights, the class token and the positions.
  CHECK(lists == std::vector<std::size_t>{4 * 2 + 6});
  CHECK(large == 4 * 2);
}

TEST_CASE("Steps are not joined past one that stands between them", "[fusion]") {
  Graph graph(DType::f64);
  graph.set_extent({'h'}, 5);
  const auto update = [&](const std::string& name, Value* gradient) {
    return graph.apply_one("sgd_update", {graph.parameter(name, "h", ParameterRole::vector, {}), gradient},
                           {{"momentum", 0.0}, {"decay", name == "last" ? 0.5 : 0.0}});
  };
  Value* gradient = graph.input("gradient", "h", DType::f64);
  Value* first = update("first", gradient);
  update("second", gradient);
  Value* of_first = graph.apply_one("activation", {first}, {{"kind", std::string("tanh")}});
  update("third", of_first);
  update("fourth", gradient);
  update("last", gradient);  // has another attribute
  Program program = partition(graph, make_mode("", 1, {1}), 0, {});
  fuse(program);
  std::vector<std::size_t> sizes;
  for (const LocalStep* step : steps_of(program, "sgd_update")) sizes.push_back(step->outputs.size());
  CHECK(sizes == std::vector<std::size_t>{2, 2, 1});
}

}  // namespace
}  // namespace ctrain
