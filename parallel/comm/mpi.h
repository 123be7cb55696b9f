// Ranks that are processes, started by mpirun or srun (Open MPI); pairwise.h says how collectives are made.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "parallel/comm/communicator.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

// MPI from construction to destruction; one at a time, used by one thread at a time. Errors are for the caller to pass
// on by world().abort(what()): nothing else ends the other processes. If the environment itself is unwound by an
// exception, it aborts the job instead of waiting for the others in MPI_Finalize.
class MpiEnvironment {
 public:
  // A message has at most `largest_message` elements (MPI counts them in an int); longer spans go as several.
  explicit MpiEnvironment(const WaitPolicy& policy = {}, std::int64_t largest_message = std::int64_t{1} << 30);
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  // Whether mpirun, or srun with PMIx, started this process; asks the environment only and does not start MPI.
  static bool is_launched();
  // "Open MPI v4.1.4": the library that this program runs with. Does not start MPI.
  static std::string library();

  // All processes, in MPI's order. abort() prints the message and ends the whole job with exit code 1; it does not
  // return.
  [[nodiscard]] Communicator& world() { return *world_; }

 private:
  const int exceptions_;  // that were in flight at construction
  std::unique_ptr<Communicator> world_;
};

}  // namespace ctrain
