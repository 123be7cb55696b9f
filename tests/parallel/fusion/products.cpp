// Products take in what follows them: bias, residual, GELU; and their gradients' neighbours.
#include <catch2/catch.hpp>

#include "tests/parallel/fusion/model_programs.h"

namespace ctrain::test {
namespace {

TEST_CASE("Products take in bias and residual where no sum over ranks stands between", "[fusion]") {
  const StepGraph step = vit_step();
  constexpr std::size_t linears = 4 * 2 + 2;  // with patches and head
  const Program serial = fused_program(step, make_mode("", 1, {1}));
  CHECK(count(serial, "linear") == linears - 2 * 2);
  CHECK(count(serial, "linear_residual") == 2 * 2);
  CHECK(count(serial, "linear_grad_weight") == linears);
  CHECK(count(serial, "linear_gelu") + count(serial, "matmul_gelu_grad") == 0);  // its GELU is the exact one

  const Program columns = fused_program(step, make_mode("1d", 1, {2}));
  CHECK(count(columns, "linear") == 2 * 2 + 1);  // row-parallel products are summed before their bias is added
  CHECK(count(columns, "linear_residual") == 0);
  CHECK(count(columns, "linear_grad_weight") == linears);

  const Program grid = fused_program(step, make_mode("2d", 1, {4}));
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
  CHECK(outputs_of_gelu(fused_program(gpt2_step({.training = false}), make_mode("", 1, {1}))) == 1);
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
}  // namespace ctrain::test
