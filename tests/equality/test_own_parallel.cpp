// A parallel mode and a gradient handler that stand outside the runtime (tests/own_parallel) do what the built ones do.
#include <catch2/catch.hpp>

#include "../runtime/data/fixtures.h"
#include "training_run.h"

namespace ctrain {
namespace {

TEST_CASE("A mode of one's own makes its process groups", "[equality][own]") {
  const Mesh mesh = make_mode("column", 2, {6}).mesh;
  CHECK(mesh.size() == 12);
  CHECK(mesh.line(7, mesh.axis("half")) == std::vector<int>{7, 10});
  CHECK(mesh.line(7, mesh.axis("column")) == std::vector<int>{6, 7, 8});
  CHECK(mesh.line(7, mesh.axis("data")) == std::vector<int>{1, 7});
}

TEST_CASE("A mode of one's own trains the same as one rank", "[equality][own][fp64]") {
  for (const auto job : {vit_job, mlp_job, gpt2_job}) {
    const TrainingRun serial = train_locally(job({}, DType::f64), 5);
    for (const MeshCase& mesh : {MeshCase{"column", 1, 4}, {"column", 1, 6}, {"column", 2, 4}}) {
      const TrainingRun run = train_locally(job(mesh, DType::f64), 5);
      INFO(mesh.text() << ": gradients " << gradient_error(run, serial) << ", losses " << loss_error(run, serial));
      CHECK(gradient_error(run, serial) < 1e-10);
      CHECK(loss_error(run, serial) < 1e-9);
      CHECK(run.replicas_equal);
      const Plan plan = make_plan(job(mesh, DType::f64), 0);
      const Program& program = plan.training.compiled.program;
      for (const Value* parameter : plan.training.graph.graph->parameters()) {
        const Block& block = program.blocks[static_cast<std::size_t>(program.persistent.at(parameter->name))];
        const std::int64_t parts = features(parameter->dims).size() == 2 ? mesh.tensor / 2 : 1;
        CHECK(block.operand.elements() * parts == plan.training.graph.graph->elements(parameter->dims));
      }
    }
  }
}

TEST_CASE("A gradient handler of one's own comes between backward pass and optimizer", "[equality][own][fp64]") {
  const auto job = [](const MeshCase& mesh, bool handled) {
    JobOptions result = mlp_job(mesh, DType::f64);
    if (handled)
      result.gradient_handlers = {test::mapping(
          {{"type", Setting::of(std::string("RepeatedGradientHandler"))}, {"times", Setting::of(std::int64_t{3})}})};
    return result;
  };
  const TrainingRun plain = train_locally(job({}, false), 2), serial = train_locally(job({}, true), 2);
  CHECK(serial.steps[0].gradient_norm == Approx(3 * plain.steps[0].gradient_norm));
  CHECK(serial.steps[0].loss == plain.steps[0].loss);
  CHECK(serial.steps[1].loss != plain.steps[1].loss);
  for (const MeshCase& mesh : {MeshCase{"1d", 1, 2}, {"2d", 1, 4}, {"3d", 1, 8}, {"", 2, 1}}) {
    const TrainingRun run = train_locally(job(mesh, true), 2);
    INFO(mesh.text());
    CHECK(gradient_error(run, serial) < 1e-10);
    CHECK(loss_error(run, serial) < 1e-9);
  }
}

}  // namespace
}  // namespace ctrain
