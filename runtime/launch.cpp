#include "runtime/launch.h"

#include <omp.h>

#include <algorithm>

#include "memory/error.h"
#include "parallel/comm/local.h"
#include "parallel/comm/mpi.h"
#include "parallel/comm/rendezvous_backend.h"
#include "runtime/environment.h"
#include "runtime/machine.h"

namespace ctrain {
namespace {

constexpr const char* gloo = "gloo";

std::optional<Error> check_ranks(const Launch& launch, int known_to_mpi) {
  if (known_to_mpi == launch.ranks) return std::nullopt;
  return usage_error(
      "{} ranks were started, but MPI says {}: start them with `mpirun -np {}` of the MPI that ctrain was "
      "built with, or with `srun --mpi=pmix`",
      launch.ranks, known_to_mpi, launch.ranks);
}

// Collective. What went wrong on the main process, which alone prepares, and on the others that it did.
std::optional<Error> prepare_together(const Launch& launch, Communicator& world, const std::function<void()>& prepare) {
  std::optional<Error> refusal;
  try {
    if (launch.is_main()) prepare();
  } catch (const Error& error) {
    refusal = error;
  } catch (const std::exception& error) {
    refusal = running_error("{}", error.what());
  }
  std::int32_t exit_code = refusal ? refusal->exit_code() : 0;
  world.all_reduce({&exit_code, 1, DType::i32}, {&exit_code, 1, DType::i32}, Reduction::max);
  if (exit_code == 0 || refusal) return refusal;
  return Error(exit_code == 2 ? ErrorKind::usage : ErrorKind::running, "rank 0 could not prepare the run");
}

// The rank of this process; a failure of it ends the others. Returns what kept all of them from starting.
std::optional<Error> run_as_process(const Launch& launch, Communicator& world, const std::function<void()>& prepare,
                                    const std::function<void(Communicator& world)>& body) {
  if (std::optional<Error> refusal = prepare ? prepare_together(launch, world, prepare) : std::nullopt) return refusal;
  try {
    body(world);
  } catch (const std::exception& error) {
    world.abort(error.what());
    throw;
  }
  return std::nullopt;
}

std::optional<Error> run_with_mpi(const Launch& launch, const std::function<void()>& prepare,
                                  const std::function<void(Communicator& world)>& body) {
  MpiEnvironment mpi(launch.policy);
  Communicator& world = mpi.world();
  if (std::optional<Error> refusal = check_ranks(launch, world.size())) return refusal;
  return run_as_process(launch, world, prepare, body);
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

}  // namespace

Launch make_launch(const std::string& backend, const std::optional<LauncherEnvironment>& launcher) {
  Launch launch;
  launch.backend = choose_backend(backend == "nccl" ? "" : backend, launcher);
  if (!launcher) return launch;
  launch.ranks = launcher->ranks;
  launch.process_rank = launcher->rank;
  launch.local_rank = launcher->local_rank;
  launch.ranks_on_host = launcher->ranks_on_host;
  launch.host = launcher->host;
  launch.port = launcher->port;
  return launch;
}

void launch_ranks(const Launch& launch, const std::function<void()>& prepare,
                  const std::function<void(Communicator& world)>& body) {
  std::optional<Error> refusal;  // thrown when MPI is done with: an exception that passes it aborts the job
  if (launch.backend == Launch::Backend::local) {
    if (prepare) prepare();
    run_local_ranks(launch.ranks, launch.policy, body);
  } else if (launch.backend == Launch::Backend::gloo) {
    const RendezvousPlace place = {launch.host, launch.port, launch.process_rank, launch.ranks};
    const auto made = RendezvousBackends::instance().get(gloo).make_world(place, launch.policy);
    refusal = run_as_process(launch, *made, prepare, body);
  } else {
    refusal = run_with_mpi(launch, prepare, body);
  }
  if (refusal) throw *refusal;
}

DevicePlace device_place(const Launch& launch, const std::string& device, const std::string& backend, int world_rank) {
  if (device == "cpu") return {};
  const int devices = DeviceKinds::instance().get(device).count();
  const bool is_local = launch.backend == Launch::Backend::local;
  const int here = is_local ? launch.ranks : launch.ranks_on_host, place = is_local ? world_rank : launch.local_rank;
  const bool vendor = backend.empty() || backend == "nccl";
  if (vendor && here > devices)
    throw usage_error(
        "{} ranks on this host, which has {} device{}: with NCCL every rank has its own; expected fewer ranks, or "
        "--backend {} to share them",
        here, devices, devices == 1 ? "" : "s", is_local ? "local" : "mpi");
  return {place % devices, vendor ? DeviceWorld::vendor : DeviceWorld::staged, launch.policy};
}

int threads_per_rank(int wanted, int ranks_here) {
  if (wanted > 0) return wanted;
  for (const char* variable : {"OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"})
    if (const auto threads = number_from_environment(variable); threads.value_or(0) > 0) return *threads;
  return std::max(1, usable_cores() / ranks_here);
}

}  // namespace ctrain
