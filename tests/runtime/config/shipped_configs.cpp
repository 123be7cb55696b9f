// The configurations in configs/ are whole and right, whatever data they are meant for.
#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/config/load.h"
#include "runtime/job.h"

namespace ctrain {
namespace {

TEST_CASE("Every configuration of configs/ loads and makes a model", "[config]") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CTRAIN_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path().string());
    const Configuration configuration = load_configuration(entry.path());
    CHECK(configuration.warnings.empty());
    CHECK(job_options(configuration).model != nullptr);
    ++count;
  }
  CHECK(count >= 6);
}

TEST_CASE("The plan of GPT-3 over 1,024 ranks holds 1/8 of its parameters on each", "[config][plan]") {
  const Configuration configuration = load_configuration(CTRAIN_SOURCE_DIR "/configs/gpt3_175b.yaml", {}, 1024);
  const Plan plan = make_plan(job_options(configuration), 1023);
  CHECK(plan.parameters() == 174'604'259'328);
  const double share =
      static_cast<double>(plan.training.compiled.memory.parameter_bytes) / 4 / static_cast<double>(plan.parameters());
  CHECK(share > 0.125);  // positions, norms and some biases lie whole on every rank
  CHECK(share < 0.126);
}

}  // namespace
}  // namespace ctrain
