// Layer norms where their rows are whole on the rank, with the residual that they are of.
#include <catch2/catch.hpp>

#include "ops/build.h"
#include "parallel/fusion/fusion.h"
#include "runtime/memory_plan.h"
#include "tests/parallel/fusion/model_programs.h"

namespace ctrain::test {
namespace {

constexpr std::size_t norms = 2 * 2 + 1;

TEST_CASE("Layer norms are fused where their rows are whole on the rank", "[fusion]") {
  const StepGraph step = vit_step();
  for (const Mode& mode : {make_mode("", 1, {1}), make_mode("1d", 1, {2})}) {
    const Program program = fused_program(step, mode);
    CHECK(count(program, "layer_norm_fused") == norms);
    CHECK(count(program, "layer_norm_grad_fused") == norms);
    CHECK(count(program, "layer_norm") + count(program, "layer_norm_sum") == 0);
  }
  const Program grid = fused_program(step, make_mode("2d", 1, {4}));
  CHECK(count(grid, "layer_norm_fused") == 0);
  CHECK(count(grid, "layer_norm") == norms);
}

constexpr std::size_t residuals = 2 * 2;  // all but the first layer norm read one, all but the last give it a gradient

TEST_CASE("Layer norms take in the residual and its gradient where their rows are whole", "[fusion]") {
  const StepGraph dropped = vit_step({.dropout = 0.1}), plain = vit_step();
  for (const Program& program :
       {fused_program(dropped, make_mode("", 1, {1})), fused_program(dropped, make_mode("1d", 1, {2})),
        fused_program(plain, make_mode("1d", 1, {2}))}) {
    CHECK(count(program, "layer_norm_fused", 4) == residuals);
    CHECK(count(program, "layer_norm_fused", 3) == 1);
    CHECK(count(program, "layer_norm_grad_fused", 6) == residuals);
    CHECK(count(program, "layer_norm_grad_fused", 5) == 1);
  }
  CHECK(count(fused_program(plain, make_mode("", 1, {1})), "layer_norm_grad_fused", 6) == residuals);
}

TEST_CASE("A layer norm's outputs take the memory of residuals that die there", "[fusion]") {
  const StepGraph step = vit_step({.dropout = 0.1});
  Program program = partition(*step.graph, make_mode("", 1, {1}), 0, {.fetch = step.metrics()});
  fuse(program);
  const MemoryPlan plan = plan_memory(program, {});
  const auto offset = [&](BlockId id) { return plan.block_offsets[static_cast<std::size_t>(id)]; };
  for (const LocalStep* norm : steps_of(program, "layer_norm_fused", 4))  // the branch's end: nobody else wants it
    CHECK(offset(norm->outputs[3]) == offset(norm->inputs[0]));
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
}  // namespace ctrain::test
