// Ranks that are threads of one process. A collective is: everyone publishes its call and enters; everyone reads from
// and writes to the others' buffers directly, without staging; everyone leaves. Only the entry can fail (a timeout,
// another rank's failure, a call that does not match), and then it fails for all members: once all have entered, the
// collective completes, so that no rank unwinds while another still reads its buffers.
#pragma once

#include <functional>
#include <memory>

#include "parallel/comm/communicator.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

class LocalWorld {
 public:
  explicit LocalWorld(int ranks, WaitPolicy policy = {});

  // The world as rank `rank` sees it, for one thread at a time. It and its subgroups may outlive the LocalWorld.
  // abort() ends the waits of all members in all groups of the world, reserve() does nothing: there is no staging.
  [[nodiscard]] std::unique_ptr<Communicator> member(int rank);

  class Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

// Runs `body` as ranks 0 to ranks - 1, each in a thread of its own, and returns when all have ended. The first
// exception aborts the others and is thrown again here; where one of them does not end within policy.grace, the process
// ends, with a message that names it and exit code 1.
void run_local_ranks(int ranks, const WaitPolicy& policy, const std::function<void(Communicator& world)>& body);

}  // namespace ctrain
