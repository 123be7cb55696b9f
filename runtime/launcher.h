// What started this process as one rank of several, if anything did: recognised by its environment, or said on the
// command line.
#pragma once

#include <optional>
#include <string>

namespace ctrain {

struct LauncherEnvironment {
  std::string launcher;  // "mpirun", "srun", ... for messages
  int ranks = 1, rank = 0;
  int local_rank = 0;
  int ranks_on_host = 1;  // as far as is known
  bool has_mpi = false;   // MPI knows the ranks
  std::string host = {};  // of rank 0, where the ranks can meet; "": not known
  int port = default_port;
  static constexpr int default_port = 29500;
};

// What --host, --port, --rank, --local_rank and --world_size say.
struct LaunchOptions {
  std::string host = {};
  std::optional<int> port = {}, rank = {}, local_rank = {}, world_size = {};
};

// In this order: --rank and --world_size; Open MPI's mpirun; RANK and WORLD_SIZE (torchrun, ctrain run), which may
// stand within a step of Slurm; such a step. --host and --port replace what a launcher says. Nothing where there is no
// launcher. A usage Error where what is said is incomplete.
[[nodiscard]] std::optional<LauncherEnvironment> detect_launcher(const LaunchOptions& options = {});

}  // namespace ctrain
