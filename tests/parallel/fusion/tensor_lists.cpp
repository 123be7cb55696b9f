// Steps of one op for many tensors become one for a list of them.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"
#include "runtime/executor.h"
#include "tests/parallel/fusion/model_programs.h"

namespace ctrain::test {
namespace {

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
      const Program plain = plain_program(step, mode, rank);
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
  const StepGraph step = vit_step({.precision = {DType::f32, DType::bf16}, .hidden_size = 256});
  const Program program = fused_program(step, make_mode("", 1, {1}));
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
}  // namespace ctrain::test
