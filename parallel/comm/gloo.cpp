// Ranks that are processes and were started without MPI: CPU buffers through gloo over TCP; pairwise.h says how
// collectives are made. Left out of builds without the library.
#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "memory/error.h"
#include "ops/philox.h"
#include "parallel/comm/gloo_exchange.h"
#include "parallel/comm/gloo_mesh.h"
#include "parallel/comm/pairwise.h"
#include "parallel/comm/rendezvous_backend.h"

namespace ctrain {
namespace {

class GlooCommunicator final : public PairwiseCommunicator {
 public:
  GlooCommunicator(std::shared_ptr<GlooMesh> mesh, std::uint64_t group, int rank, std::vector<int> ranks,
                   const std::string& name)
      : PairwiseCommunicator(rank, std::move(ranks), name, exchange_),
        mesh_(std::move(mesh)),
        group_(group),
        exchange_(*mesh_, *this, group) {
    reserve(0);
  }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) override {
    std::vector<int> world_ranks = agree_on(members, name);
    const auto position = std::lower_bound(members.begin(), members.end(), rank()) - members.begin();
    std::uint64_t group = random_key(group_, "subgroup", static_cast<std::uint64_t>(calls()));
    for (const int member : world_ranks) group = random_key(group, "member", static_cast<std::uint64_t>(member));
    return std::make_unique<GlooCommunicator>(mesh_, group, static_cast<int>(position), std::move(world_ranks), name);
  }

  void check_health() override {
    if (const std::string failure = mesh_->rendezvous().failure(); !failure.empty())
      throw running_error("rank {}: ended with {} calls made over '{}': {}", world_rank(), calls(), name(), failure);
  }

  void abort(const std::string& message) override {
    mesh_->rendezvous().fail(fmt::format("rank {} failed: {}", world_rank(), message));
  }

 private:
  const std::shared_ptr<GlooMesh> mesh_;
  const std::uint64_t group_;
  GlooExchange exchange_;
};

std::unique_ptr<Communicator> make_world(const RendezvousPlace& place, const WaitPolicy& policy) {
  std::vector<int> ranks(static_cast<std::size_t>(place.ranks));
  std::iota(ranks.begin(), ranks.end(), 0);
  return std::make_unique<GlooCommunicator>(std::make_shared<GlooMesh>(place, policy), 0, place.rank, std::move(ranks),
                                            "world");
}

const Registration<RendezvousBackend> registration("gloo", {make_world});

}  // namespace
}  // namespace ctrain
