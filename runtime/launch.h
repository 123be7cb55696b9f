// How ranks come to life: as threads of this process (`local`), or as processes that mpirun or srun started (`mpi`).
// Launchers are recognised by their environment.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "parallel/comm/communicator.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

struct Launch {
  enum class Backend { local, mpi };
  Backend backend = Backend::local;
  int ranks = 1;         // in all
  int process_rank = 0;  // of this process: mpi's rank; 0 with `local`
  WaitPolicy policy;     // of every wait in a collective
  [[nodiscard]] bool is_main() const { return process_rank == 0; }
};

// What the environment says: the number of ranks that a launcher started and which one this process is; nothing where
// there is no launcher. A usage Error where a launcher was used that ctrain cannot follow yet (torchrun's variables).
struct LauncherEnvironment {
  std::string launcher;  // "mpirun", "srun"
  int ranks = 1, rank = 0;
};
[[nodiscard]] std::optional<LauncherEnvironment> detect_launcher();

// Runs `body` once per rank of this process and returns when all have ended; the first failure ends the others.
// Before, once all ranks are there, `prepare` (may be empty) runs on the main process alone; an Error of it ends every
// process without `body`, with the same exit code. A usage Error, before `prepare`, where MPI does not know as many
// ranks as the launcher said.
void launch_ranks(const Launch& launch, const std::function<void()>& prepare,
                  const std::function<void(Communicator& world)>& body);

// CPU threads of each rank where the user asked for `wanted` (0: the cores that this process may use, shared among its
// ranks; OMP_NUM_THREADS and SLURM_CPUS_PER_TASK are honoured).
[[nodiscard]] int threads_per_rank(int wanted, int ranks_here);

}  // namespace ctrain
