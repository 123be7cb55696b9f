// How ranks come to life: as threads of this process (`local`), or as processes that a launcher started and that MPI
// (`mpi`) or a rendezvous (`gloo`) connects.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "parallel/comm/communicator.h"
#include "parallel/comm/wait_policy.h"
#include "runtime/launcher.h"
#include "runtime/rank.h"

namespace ctrain {

struct Launch {
  enum class Backend { local, mpi, gloo };
  Backend backend = Backend::local;
  int ranks = 1;          // in all
  int process_rank = 0;   // of this process; 0 with `local`
  int local_rank = 0;     // of this process among those on its host
  int ranks_on_host = 1;  // processes on this host
  std::string host;       // where ranks meet with `gloo`
  int port = LauncherEnvironment::default_port;
  WaitPolicy policy;  // of every wait in a collective
  [[nodiscard]] bool is_main() const { return process_rank == 0; }
  [[nodiscard]] int ranks_sharing_cores() const { return backend == Backend::local ? ranks : ranks_on_host; }
};

// What `launcher`, if any, started, with the backend that was asked for ("": the one that fits). A usage Error where
// they do not go together or this build lacks the backend.
// "nccl" takes the fitting one to bring the ranks together.
[[nodiscard]] Launch make_launch(const std::string& backend, const std::optional<LauncherEnvironment>& launcher);

// Runs `body` once per rank of this process and returns when all have ended; the first failure ends the others.
// Before, once all ranks are there, `prepare` (may be empty) runs on the main process alone; an Error of it ends every
// process without `body`, with the same exit code. A usage Error, before `prepare`, where MPI does not know as many
// ranks as the launcher said.
void launch_ranks(const Launch& launch, const std::function<void()>& prepare,
                  const std::function<void(Communicator& world)>& body);

// Where the rank works: its accelerator, by its place on the host, and how these exchange data: by the vendor's library
// unless `backend` names one that goes through the host. A usage Error where the host has too few of them for that.
[[nodiscard]] DevicePlace device_place(const Launch& launch, const std::string& device, const std::string& backend,
                                       int world_rank);

// CPU threads of each rank where the user asked for `wanted` (0: the cores that this process may use, shared among its
// ranks; OMP_NUM_THREADS and SLURM_CPUS_PER_TASK are honoured).
[[nodiscard]] int threads_per_rank(int wanted, int ranks_here);

}  // namespace ctrain
