#include "runtime/launcher.h"

#include <algorithm>
#include <cstdlib>

#include "memory/error.h"
#include "parallel/comm/mpi.h"
#include "runtime/environment.h"
#include "runtime/host_list.h"
#include "runtime/host_plan.h"

namespace ctrain {
namespace {

std::optional<LauncherEnvironment> from_mpirun() {
  const auto ranks = number_from_environment("OMPI_COMM_WORLD_SIZE");
  if (!ranks) return std::nullopt;
  LauncherEnvironment found = {.launcher = "mpirun", .ranks = *ranks, .has_mpi = true};
  found.rank = number_from_environment("OMPI_COMM_WORLD_RANK").value_or(0);
  found.local_rank = number_from_environment("OMPI_COMM_WORLD_LOCAL_RANK").value_or(0);
  found.ranks_on_host = number_from_environment("OMPI_COMM_WORLD_LOCAL_SIZE").value_or(1);
  found.host = word_from_environment({"MASTER_ADDR"});
  if (found.host.empty() && found.ranks_on_host == found.ranks) found.host = "127.0.0.1";
  found.port = number_from_environment("MASTER_PORT").value_or(found.port);
  return found;
}

std::optional<LauncherEnvironment> from_torchrun() {
  const auto rank = number_from_environment("RANK"), ranks = number_from_environment("WORLD_SIZE");
  if (!rank || !ranks) return std::nullopt;
  LauncherEnvironment found = {.launcher = "RANK and WORLD_SIZE", .ranks = *ranks, .rank = *rank};
  found.local_rank = number_from_environment("LOCAL_RANK").value_or(0);
  found.ranks_on_host = number_from_environment("LOCAL_WORLD_SIZE").value_or(1);
  found.host = word_from_environment({"MASTER_ADDR"});
  found.port = number_from_environment("MASTER_PORT").value_or(found.port);
  if (word_from_environment({"TORCHELASTIC_USE_AGENT_STORE"}) == "True") ++found.port;  // torchrun itself listens there
  return found;
}

// A port that the steps of other jobs on the same host do not use, below those that systems give out by themselves.
int port_of_step(int job, int step) { return 12000 + static_cast<int>((16LL * job + step) % 20000); }

std::optional<LauncherEnvironment> from_srun() {
  // A batch script has SLURM_PROCID as well; only a step that srun started has a number beside it.
  const auto step = number_from_environment("SLURM_STEP_ID"), rank = number_from_environment("SLURM_PROCID");
  if (!step || !rank) return std::nullopt;
  LauncherEnvironment found = {.launcher = "srun", .rank = *rank, .has_mpi = MpiEnvironment::is_launched()};
  const auto ranks = number_from_environment("SLURM_NPROCS");
  found.ranks = ranks ? *ranks : number_from_environment("SLURM_NTASKS").value_or(1);
  found.local_rank = number_from_environment("SLURM_LOCALID").value_or(0);
  // "2(x3),1": of the first host
  const std::string per_host = word_from_environment({"SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"});
  found.ranks_on_host = std::max(1, std::atoi(per_host.c_str()));
  found.host = word_from_environment({"MASTER_ADDR"});
  const std::string hosts = word_from_environment({"SLURM_STEP_NODELIST", "SLURM_NODELIST"});
  if (found.host.empty() && !hosts.empty()) found.host = expand_hosts(hosts).front();
  const int job = number_from_environment("SLURM_JOB_ID").value_or(0);
  found.port = number_from_environment("MASTER_PORT").value_or(port_of_step(job, *step));
  return found;
}

std::optional<LauncherEnvironment> from_environment() {
  if (auto found = from_mpirun()) return found;
  if (auto found = from_torchrun()) return found;
  return from_srun();
}

LauncherEnvironment from_options(const LaunchOptions& options) {
  if (!options.rank || !options.world_size)
    throw usage_error("{} is missing; expected --rank and --world_size together",
                      options.rank ? "--world_size" : "--rank");
  return {.launcher = "--rank and --world_size",
          .ranks = *options.world_size,
          .rank = *options.rank,
          .host = word_from_environment({"MASTER_ADDR"}),
          .port = number_from_environment("MASTER_PORT").value_or(LauncherEnvironment::default_port)};
}

}  // namespace

std::optional<LauncherEnvironment> detect_launcher(const LaunchOptions& options) {
  auto found = options.rank || options.world_size ? from_options(options) : from_environment();
  if (!found) {
    if (options.local_rank || options.port || !options.host.empty())
      throw usage_error(
          "{} says how ranks meet, but nothing says that there are several: expected --rank and "
          "--world_size, or a launcher",
          !options.host.empty() ? "--host"
          : options.port        ? "--port"
                                : "--local_rank");
    return std::nullopt;
  }
  if (!options.host.empty()) found->host = options.host;
  found->port = options.port.value_or(found->port);
  found->local_rank = options.local_rank.value_or(found->local_rank);
  if (found->ranks_on_host == 1 && is_local_everywhere(found->host)) found->ranks_on_host = found->ranks;
  if (found->ranks < 1 || found->rank >= found->ranks)
    throw usage_error("{}: there is no rank {} among {}", found->launcher, found->rank, found->ranks);
  return found;
}

}  // namespace ctrain
