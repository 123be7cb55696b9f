// Programs of small models, as the partition pass leaves them and as the fusions make them, for the tests of fusions.
#pragma once

#include <string>
#include <vector>

#include "parallel/partition.h"
#include "runtime/training_graph.h"

namespace ctrain::test {

struct StepOptions {
  Precision precision = DType::f64;
  double dropout = 0;  // none, so that no mask hides a difference
  std::int64_t hidden_size = 16;
  bool training = true;  // or an evaluation
};
// A step of 12 samples of a ViT of two blocks, with Adam; the same of a GPT-2, whose GELU is the one by tanh.
StepGraph vit_step(const StepOptions& options = {});
StepGraph gpt2_step(const StepOptions& options = {});

// What a step is done for, metrics and parameters' gradients: those of activations come and go.
std::vector<Value*> results(const StepGraph& step);
Program plain_program(const StepGraph& step, const Mode& mode, int rank = 0);
Program fused_program(const StepGraph& step, const Mode& mode, int rank = 0);
// Of one rank, which keeps this value too.
Program fused_program_with(const StepGraph& step, Value* kept);

// The steps of an op; with this many operands, unless any number will do.
std::vector<const LocalStep*> steps_of(const Program& program, const std::string& op, std::size_t operands = 0);
std::size_t count(const Program& program, const std::string& op, std::size_t operands = 0);

}  // namespace ctrain::test
