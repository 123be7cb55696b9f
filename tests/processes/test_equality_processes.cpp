// test_equality_processes <mpi|gloo> <mode|none> <data> <tensor> [<depth> [<stages>]]: equal to serial, with ranks as
// processes.
// The ranks' gradients are put together on every rank; rank 0 trains the same on one rank and compares.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "memory/error.h"
#include "runtime/launch.h"
#include "tests/equality/training_run.h"

namespace ctrain {
namespace {

constexpr int steps = 20, micro_batches = 4;

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

void check(const MeshCase& mesh, int stages, DType real, double gradient_bound, double loss_bound,
           Communicator& world) {
  JobOptions job = vit_job(mesh, real);
  if (stages > 1) job.pipeline = {.stages = stages, .micro_batches = micro_batches, .cuts = {}};
  RunCollector collector;
  collector.train(job, world, steps);
  TrainingRun run = collector.result();
  combine(run, world);
  if (world.rank() != 0) return;
  const TrainingRun serial = train_locally(vit_job({}, real), steps);
  const double gradients = gradient_error(run, serial), losses = loss_error(run, serial);
  std::printf("pipeline %d x %s, %s: gradients %.1e, losses %.1e\n", stages, mesh.text().c_str(),
              std::string(name_of(real)).c_str(), gradients, losses);
  require(run.replicas_equal, "replicas differ");
  require(gradients < gradient_bound && losses < loss_bound, "not equal to one rank");
}

}  // namespace
}  // namespace ctrain

// Started by mpirun, which tells the ranks where they are with either backend.
int main(int argc, char** argv) {
  using namespace ctrain;
  if (argc < 5 || argc > 7) return 2;
  const std::string backend = argv[1], mode = argv[2];
  const MeshCase mesh{mode == "none" ? "" : mode, std::atoi(argv[3]), std::atoi(argv[4]),
                      argc > 5 ? std::atoi(argv[5]) : 1};
  const int stages = argc > 6 ? std::atoi(argv[6]) : 1;
  try {
    Launch launch = make_launch(backend, detect_launcher());
    launch.policy.timeout = 120;
    launch_ranks(launch, {}, [&](Communicator& world) {
      check(mesh, stages, DType::f64, 1e-10, 1e-9, world);
      check(mesh, stages, DType::f32, 1e-5, 1e-4, world);
    });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
