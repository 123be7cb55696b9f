#include "runtime/launch.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>

#include "memory/error.h"
#include "parallel/comm/local.h"
#include "parallel/comm/mpi.h"
#include "parallel/comm/rendezvous_backend.h"
#include "runtime/environment.h"

namespace ctrain {
namespace {

// Cores that this process may use.
int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

constexpr const char* gloo = "gloo";

// A failure of this rank ends the others.
void run_as_process(Communicator& world, const std::function<void(Communicator& world)>& body) {
  try {
    body(world);
  } catch (const std::exception& error) {
    world.abort(error.what());
    throw;
  }
}

void check_gloo(const LauncherEnvironment& launcher) {
  if (RendezvousBackends::instance().find(gloo) == nullptr)
    throw usage_error(
        "backend gloo, which connects the ranks of {}: this build lacks it (Debian: libgloo-dev); use mpirun, "
        "srun --mpi=pmix, or one process",
        launcher.launcher);
  if (launcher.host.empty())
    throw usage_error("backend gloo: where rank 0 is stays open; expected --host NAME (or MASTER_ADDR) of its host");
}

}  // namespace

Launch::Backend choose_backend(const std::string& wanted, const std::optional<LauncherEnvironment>& launcher) {
  using Backend = Launch::Backend;
  if (!launcher) {
    if (wanted == "mpi")
      throw usage_error("--backend mpi: no launcher is there; expected mpirun -np N or srun --mpi=pmix before ctrain");
    if (wanted == gloo)
      throw usage_error(
          "--backend gloo: no launcher is there; expected ctrain run, srun, torchrun's variables, or --rank and "
          "--world_size");
    return Backend::local;
  }
  if (wanted == "local" && launcher->ranks > 1)
    throw usage_error("--backend local: expected mpi or gloo, since {} says that there are {} processes",
                      launcher->launcher, launcher->ranks);
  if (wanted == "mpi" && !launcher->has_mpi)
    throw usage_error(
        "--backend mpi: {} says that there are {} ranks, but MPI would see each alone; expected mpirun -np {}, or "
        "srun --mpi=pmix",
        launcher->launcher, launcher->ranks, launcher->ranks);
  if (wanted == "local" || (wanted.empty() && !launcher->has_mpi && launcher->ranks == 1)) return Backend::local;
  if (wanted == "mpi" || (wanted.empty() && launcher->has_mpi)) return Backend::mpi;
  check_gloo(*launcher);
  return Backend::gloo;
}

void launch_ranks(const Launch& launch, const std::function<void(Communicator& world)>& body) {
  if (launch.backend == Launch::Backend::local) return run_local_ranks(launch.ranks, launch.policy, body);
  if (launch.backend == Launch::Backend::gloo) {
    const RendezvousPlace place = {launch.host, launch.port, launch.process_rank, launch.ranks};
    return run_as_process(*RendezvousBackends::instance().get(gloo).make_world(place, launch.policy), body);
  }
  MpiEnvironment mpi(launch.policy);
  Communicator& world = mpi.world();
  if (world.size() != launch.ranks)
    throw usage_error(
        "{} ranks were started, but MPI says {}: start them with `mpirun -np {}` of the MPI that ctrain was "
        "built with, or with `srun --mpi=pmix`",
        launch.ranks, world.size(), launch.ranks);
  run_as_process(world, body);
}

int threads_per_rank(int wanted, int ranks_here) {
  if (wanted > 0) return wanted;
  for (const char* variable : {"OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"})
    if (const auto threads = number_from_environment(variable); threads.value_or(0) > 0) return *threads;
  return std::max(1, usable_cores() / ranks_here);
}

}  // namespace ctrain
