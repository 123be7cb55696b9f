#include "runtime/launch.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "memory/error.h"
#include "parallel/comm/local.h"
#include "parallel/comm/mpi.h"

namespace ctrain {
namespace {

std::optional<int> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
  if (error != std::errc() || end != view.data() + view.size() || number < 0)
    throw usage_error("the environment's {}={} is not a number", variable, text);
  return number;
}

// Cores that this process may use.
int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

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

void run_rank(Communicator& world, const std::function<void(Communicator& world)>& body) {
  try {
    body(world);
  } catch (const std::exception& error) {
    world.abort(error.what());
    throw;
  }
}

}  // namespace

std::optional<LauncherEnvironment> detect_launcher() {
  if (const auto size = number_from("OMPI_COMM_WORLD_SIZE"))
    return LauncherEnvironment{"mpirun", *size, number_from("OMPI_COMM_WORLD_RANK").value_or(0)};
  // A batch script sets SLURM_NPROCS as well; only a step that srun started has a step's rank beside it.
  if (std::getenv("SLURM_STEP_ID") != nullptr && std::getenv("SLURM_PROCID") != nullptr)
    return LauncherEnvironment{"srun", number_from("SLURM_NPROCS").value_or(1),
                               number_from("SLURM_PROCID").value_or(0)};
  if (number_from("WORLD_SIZE").value_or(1) > 1 && std::getenv("RANK") != nullptr)
    throw usage_error(
        "the environment says {} ranks in torchrun's variables (RANK, WORLD_SIZE): starting ranks that way is "
        "not built yet; use mpirun, srun, or one process (`ctrain --config FILE`)",
        std::getenv("WORLD_SIZE"));
  return std::nullopt;
}

void launch_ranks(const Launch& launch, const std::function<void()>& prepare,
                  const std::function<void(Communicator& world)>& body) {
  if (launch.backend == Launch::Backend::local) {
    if (prepare) prepare();
    return run_local_ranks(launch.ranks, launch.policy, body);
  }
  // Started in a step of srun without PMIx, Open MPI would end the process with an explanation of its own.
  std::optional<Error> refusal = MpiEnvironment::is_launched() ? std::nullopt : check_ranks(launch, 1);
  if (!refusal) {  // thrown when MPI is done with: an exception that passes it aborts the job
    MpiEnvironment mpi(launch.policy);
    Communicator& world = mpi.world();
    refusal = check_ranks(launch, world.size());
    if (!refusal && prepare) refusal = prepare_together(launch, world, prepare);
    if (!refusal) run_rank(world, body);
  }
  if (refusal) throw *refusal;
}

int threads_per_rank(int wanted, int ranks_here) {
  if (wanted > 0) return wanted;
  for (const char* variable : {"OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"})
    if (const auto threads = number_from(variable); threads.value_or(0) > 0) return *threads;
  return std::max(1, usable_cores() / ranks_here);
}

}  // namespace ctrain
