// test_equality_mpi <mode|none> <data> <tensor> [<depth>]: the main job's statement 1 with ranks as processes. The
// ranks' gradients are put together on every rank; rank 0 trains the same on one rank and compares.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "memory/error.h"
#include "parallel/comm/mpi.h"
#include "tests/equality/training_run.h"

namespace ctrain {
namespace {

constexpr int steps = 20;

// Each process has written its own parts into tensors of NaN; the others' parts come by a maximum.
void combine(TrainingRun& run, Communicator& world) {
  for (auto& [name, tensor] : run.gradients) {
    for (double& value : tensor)
      if (std::isnan(value)) value = -INFINITY;
    const auto count = static_cast<std::int64_t>(tensor.size());
    world.reserve(tensor.size() * sizeof(double));
    world.all_reduce({tensor.data(), count, DType::f64}, {tensor.data(), count, DType::f64}, Reduction::max);
  }
}

void check(const MeshCase& mesh, DType real, double gradient_bound, double loss_bound, Communicator& world) {
  RunCollector collector;
  collector.train(vit_job(mesh, real), world, steps);
  TrainingRun run = collector.result();
  combine(run, world);
  if (world.rank() != 0) return;
  const TrainingRun serial = train_locally(vit_job({}, real), steps);
  const double gradients = gradient_error(run, serial), losses = loss_error(run, serial);
  std::printf("%s through mpi, %s: gradients %.1e, losses %.1e\n", mesh.text().c_str(),
              std::string(name_of(real)).c_str(), gradients, losses);
  require(run.replicas_equal, "replicas differ");
  require(gradients < gradient_bound && losses < loss_bound, "not equal to one rank");
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  using namespace ctrain;
  if (argc != 4 && argc != 5) return 2;
  const std::string mode = argv[1];
  const MeshCase mesh{mode == "none" ? "" : mode, std::atoi(argv[2]), std::atoi(argv[3]),
                      argc == 5 ? std::atoi(argv[4]) : 1};
  MpiEnvironment mpi({.timeout = 120});
  try {
    check(mesh, DType::f64, 1e-10, 1e-9, mpi.world());
    check(mesh, DType::f32, 1e-5, 1e-4, mpi.world());
  } catch (const std::exception& error) {
    mpi.world().abort(error.what());
  }
  return 0;
}
