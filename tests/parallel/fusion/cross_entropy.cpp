// Cross-entropy where the classes are whole on the rank.
#include <catch2/catch.hpp>

#include "tests/parallel/fusion/model_programs.h"

namespace ctrain::test {
namespace {

TEST_CASE("Cross-entropy is one step where its classes are whole on the rank", "[fusion]") {
  const StepGraph step = vit_step(), mixed = vit_step({.precision = Precision(DType::f32, DType::bf16)});
  for (const Mode& mode : {make_mode("", 1, {1}), make_mode("1d", 1, {2}), make_mode("2d", 1, {4})})
    for (const StepGraph* graph : {&step, &mixed}) {
      const Program program = fused_program(*graph, mode);
      CHECK(count(program, "cross_entropy_fused") == 1);  // no mode splits classes
      for (const char* part : {"class_max", "class_sum_exp", "class_target", "class_nll", "class_place", "correct"})
        CHECK(count(program, part) == 0);
    }
  const StepGraph tokens = gpt2_step();  // 1d splits a vocabulary
  CHECK(count(fused_program(tokens, make_mode("", 1, {1})), "cross_entropy_fused") == 1);
  CHECK(count(fused_program(tokens, make_mode("1d", 1, {2})), "cross_entropy_fused") == 0);
}

}  // namespace
}  // namespace ctrain::test
