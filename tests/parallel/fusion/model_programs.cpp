#include "tests/parallel/fusion/model_programs.h"

#include "parallel/fusion/fusion.h"
#include "runtime/models/gpt2.h"
#include "runtime/models/vit.h"

namespace ctrain::test {
namespace {

StepGraph step_of(const Model& model, const ModelOptions& sample, const StepOptions& options) {
  return build_step(model, sample, 12, options.precision, {}, {.kind = OptimizerOptions::Kind::adam});
}

}  // namespace

StepGraph vit_step(const StepOptions& options) {
  const auto vit = make_vit({.img_size = 6,
                             .patch_size = 3,
                             .in_channels = 1,
                             .num_classes = 10,
                             .hidden_size = options.hidden_size,
                             .depth = 2,
                             .num_heads = 4,
                             .mlp_ratio = 2,
                             .dropout = options.dropout});
  return step_of(*vit, {options.training, {{1, 6, 6}}, {}}, options);
}

StepGraph gpt2_step(const StepOptions& options) {
  const auto gpt2 = make_gpt2({.vocab_size = 10,
                               .max_position_embeddings = 6,
                               .hidden_size = options.hidden_size,
                               .depth = 2,
                               .num_heads = 4,
                               .mlp_ratio = 2});
  return step_of(*gpt2, {options.training, {{6}}, {}}, options);
}

std::vector<Value*> results(const StepGraph& step) {
  std::vector<Value*> values = step.metrics();
  for (const auto& [value, gradient] : step.gradients)
    if (value->kind == Value::Kind::parameter) values.push_back(gradient);
  return values;
}

Program plain_program(const StepGraph& step, const Mode& mode, int rank) {
  return partition(*step.graph, mode, rank, {.fetch = results(step)});
}

Program fused_program(const StepGraph& step, const Mode& mode, int rank) {
  Program program = plain_program(step, mode, rank);
  fuse(program);
  return program;
}

Program fused_program_with(const StepGraph& step, Value* kept) {
  std::vector<Value*> fetch = results(step);
  fetch.push_back(kept);
  Program program = partition(*step.graph, make_mode("", 1, {1}), 0, {.fetch = fetch});
  fuse(program);
  return program;
}

std::vector<const LocalStep*> steps_of(const Program& program, const std::string& op, std::size_t operands) {
  std::vector<const LocalStep*> steps;
  for (const Step& step : program.steps)
    if (const auto* local = std::get_if<LocalStep>(&step);
        local != nullptr && local->node.op == op && (operands == 0 || local->inputs.size() == operands))
      steps.push_back(local);
  return steps;
}

std::size_t count(const Program& program, const std::string& op, std::size_t operands) {
  return steps_of(program, op, operands).size();
}

}  // namespace ctrain::test
