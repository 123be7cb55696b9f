// Equal to serial is the law: first-step gradients, tensor by tensor, and the losses of 20 SGD steps, against one rank.
#include <catch2/catch.hpp>

#include "training_run.h"

namespace ctrain {
namespace {

constexpr int steps = 20;

using Job = JobOptions (*)(const MeshCase&, DType);

void check_fp64(Job job) {
  const TrainingRun serial = train_locally(job({}, DType::f64), steps);
  REQUIRE(serial.steps.back().loss < serial.steps.front().loss);
  for (const MeshCase& mesh : all_meshes()) {
    if (mesh.mode == "sequence" && job == mlp_job) continue;  // nothing to split
    const TrainingRun run = train_locally(job(mesh, DType::f64), steps);
    INFO(mesh.text() << ": gradients " << gradient_error(run, serial) << ", losses " << loss_error(run, serial));
    CHECK(gradient_error(run, serial) < 1e-10);
    CHECK(loss_error(run, serial) < 1e-9);
    CHECK(run.replicas_equal);
  }
}

// In fp32 up to four times the serial run's own distance from fp64 is allowed.
void check_fp32(Job job) {
  const TrainingRun exact = train_locally(job({}, DType::f64), steps);
  const TrainingRun serial = train_locally(job({}, DType::f32), steps);
  const double gradients = std::max(1e-5, 4 * gradient_error(serial, exact));
  const double losses = std::max(1e-4, 4 * loss_error(serial, exact));
  for (const MeshCase& mesh : all_meshes()) {
    if (mesh.mode == "sequence" && job == mlp_job) continue;  // nothing to split
    const TrainingRun run = train_locally(job(mesh, DType::f32), steps);
    INFO(mesh.text() << ": gradients " << gradient_error(run, serial) << " of " << gradients << ", losses "
                     << loss_error(run, serial) << " of " << losses);
    CHECK(gradient_error(run, serial) < gradients);
    CHECK(loss_error(run, serial) < losses);
    CHECK(run.replicas_equal);
  }
}

TEST_CASE("ViT in fp64 trains the same on every mesh", "[equality][fp64]") { check_fp64(vit_job); }
TEST_CASE("MLP in fp64 trains the same on every mesh", "[equality][fp64]") { check_fp64(mlp_job); }
TEST_CASE("A causal transformer in fp64 trains the same on every mesh", "[equality][fp64]") { check_fp64(causal_job); }
TEST_CASE("A causal transformer in fp32 trains the same on every mesh", "[equality][fp32]") { check_fp32(causal_job); }
TEST_CASE("ViT in fp32 trains the same on every mesh", "[equality][fp32]") { check_fp32(vit_job); }
TEST_CASE("MLP in fp32 trains the same on every mesh", "[equality][fp32]") { check_fp32(mlp_job); }

}  // namespace
}  // namespace ctrain
