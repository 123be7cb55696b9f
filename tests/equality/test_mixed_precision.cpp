// Equal to serial with activations in bf16. A mesh adds up in another order, and rounds where one rank does not (panels
// of SUMMA, turns of a ring, parts before they are reduced), so it is allowed up to four times the distance of the
// serial bf16 run from fp64, which comes of roundings of the same size (as for fp32, in test_equal_to_serial.cpp).
#include <catch2/catch.hpp>

#include "training_run.h"

namespace ctrain {
namespace {

constexpr int steps = 20;

JobOptions bf16(JobOptions job) {
  job.mixed_precision = DType::bf16;
  return job;
}

void check_bf16(Job job) {
  const TrainingRun exact = train_locally(job({}, DType::f64), steps);
  const TrainingRun serial = train_locally(bf16(job({}, DType::f32)), steps);
  const double gradients = 4 * gradient_error(serial, exact), losses = 4 * loss_error(serial, exact);
  INFO("serial: gradients " << gradient_error(serial, exact) << ", losses " << loss_error(serial, exact));
  CHECK(gradient_error(serial, exact) > 1e-4);  // it does compute in bf16
  CHECK(gradient_error(serial, exact) < 0.1);
  CHECK(loss_error(serial, exact) < 0.05);
  CHECK(serial.steps.back().loss < serial.steps.front().loss);
  for (const MeshCase& mesh : std::vector<MeshCase>{
           {"2d", 1, 4}, {"1d", 1, 2}, {"", 2, 1}, {"sequence", 1, 2}, {"2.5d", 1, 8, 2}, {"3d", 1, 8}}) {
    if (mesh.mode == "sequence" && job == mlp_job) continue;  // nothing to split
    const TrainingRun run = train_locally(bf16(job(mesh, DType::f32)), steps);
    INFO(mesh.text() << ": gradients " << gradient_error(run, serial) << " of " << gradients << ", losses "
                     << loss_error(run, serial) << " of " << losses);
    // Rows of a batch are rounded alike wherever they are, and their gradients are added in fp32.
    CHECK(gradient_error(run, serial) < (mesh.mode.empty() ? 1e-5 : gradients));
    CHECK(loss_error(run, serial) < losses);
    CHECK(run.replicas_equal);
  }
}

TEST_CASE("ViT with bf16 activations trains the same on every mesh", "[equality][bf16]") { check_bf16(vit_job); }
TEST_CASE("MLP with bf16 activations trains the same on every mesh", "[equality][bf16]") { check_bf16(mlp_job); }
TEST_CASE("GPT-2 with bf16 activations trains the same on every mesh", "[equality][bf16]") { check_bf16(gpt2_job); }

}  // namespace
}  // namespace ctrain
