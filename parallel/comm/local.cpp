#include "parallel/comm/local.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <utility>

#include "memory/error.h"
#include "parallel/comm/local_group.h"
#include "parallel/comm/ordered_reduction.h"

namespace ctrain {
namespace {

using Outcome = ClosableBarrier::Outcome;

constexpr double longest_nap = 1;  // seconds

bool match(const CollectiveCall& a, const CollectiveCall& b) {
  return a.collective == b.collective && a.in.count == b.in.count && a.in.dtype == b.in.dtype && a.root == b.root &&
         a.reduction == b.reduction;
}

void copy(ConstSpan from, Span to) {
  if (from.count > 0) std::memcpy(to.data, from.data, static_cast<std::size_t>(from.bytes()));
}

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<LocalWorld::Shared> shared, LocalGroup& group, int rank, std::vector<int> ranks,
                    const std::string& name)
      : Communicator(rank, std::move(ranks), name), shared_(std::move(shared)), group_(group) {
    sources_.resize(group.seats.size());
    targets_.reserve(group.seats.size());
  }

  void reserve(std::size_t /*bytes*/) override {}

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) override {
    std::vector<int> world_ranks = agree_on(members, name);
    const auto position = std::lower_bound(members.begin(), members.end(), rank()) - members.begin();
    return std::make_unique<LocalCommunicator>(shared_, shared_->subgroup(group_, calls(), members),
                                               static_cast<int>(position), std::move(world_ranks), name);
  }

  void check_health() override {
    if (const std::string failure = shared_->failure(); !failure.empty())
      throw running_error("rank {}: ended with {} calls made over '{}': {}", world_rank(), calls(), name(), failure);
  }

  void abort(const std::string& message) override {
    shared_->fail(fmt::format("rank {} failed: {}", world_rank(), message));
  }

 private:
  void execute(const CollectiveCall& call) override {
    enter(call);
    move_data(call);
    group_.exit.wait(group_.exit.arrive());
  }

  [[nodiscard]] const CollectiveCall& call_of(int member) const {
    return group_.seats[static_cast<std::size_t>(member)].call;
  }

  void enter(const CollectiveCall& call) {
    LocalGroup::Seat& seat = group_.seats[static_cast<std::size_t>(rank())];
    seat.call = call;
    seat.entered.store(calls(), std::memory_order_relaxed);
    if (wait_for_all(group_.entry.arrive(), call) == Outcome::closed) throw ended(call);
    for (int member = 1; member < size(); ++member)  // all members come to the same verdict here
      if (!match(call_of(member), call_of(0))) throw mismatch(call, member);
  }

  Outcome wait_for_all(std::uint64_t ticket, const CollectiveCall& call) {
    const WaitPolicy& policy = shared_->policy;
    double waited = 0;
    if (policy.warn && policy.warning < policy.timeout) {
      if (const Outcome seen = wait_until(policy.warning, waited, ticket); seen != Outcome::waiting) return seen;
      policy.warn(fmt::format("{}: has waited {} s for {}", standing_at(call), policy.warning, missing()));
    }
    if (const Outcome seen = wait_until(policy.timeout, waited, ticket); seen != Outcome::waiting) return seen;
    shared_->fail(fmt::format("{}: waited {} s in vain for {}", standing_at(call), policy.timeout, missing()));
    return group_.entry.wait(ticket);  // closed, unless the last member has come just now
  }

  // In naps that are added up: time in which the process was suspended is not waiting.
  Outcome wait_until(double end, double& waited, std::uint64_t ticket) {
    using Clock = ClosableBarrier::Clock;
    while (waited < end) {
      const std::chrono::duration<double> nap(std::min(end - waited, longest_nap));
      const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(nap);
      if (const Outcome seen = group_.entry.wait(ticket, deadline); seen != Outcome::waiting) return seen;
      waited += nap.count();
    }
    return Outcome::waiting;
  }

  [[nodiscard]] std::string missing() const {
    std::vector<int> positions;
    for (int member = 0; member < size(); ++member)
      if (group_.seats[static_cast<std::size_t>(member)].entered.load(std::memory_order_relaxed) < calls())
        positions.push_back(member);
    return text_of_members(positions);
  }

  [[nodiscard]] Error ended(const CollectiveCall& call) const {
    const std::string here = standing_at(call), failure = shared_->failure();
    if (failure.starts_with(here)) return running_error("{}", failure);  // it was this wait that failed
    return running_error("{}: ended while waiting for {}: {}", here, missing(), failure);
  }

  [[nodiscard]] Error mismatch(const CollectiveCall& call, int member) const {
    return running_error("{}: the members' calls do not match: {} called {}, {} called {}", standing_at(call),
                         text_of_members({0}), text_of(call_of(0)), text_of_members({member}),
                         text_of(call_of(member)));
  }

  void move_data(const CollectiveCall& call) {
    const ConstSpan in = call.in;
    const std::int64_t block = in.count / size();
    switch (call.collective) {
      case Collective::all_gather:
        for (int member = 0; member < size(); ++member)
          copy(call_of(member).in, call.out.part(member * in.count, in.count));
        break;
      case Collective::all_to_all:
        for (int member = 0; member < size(); ++member)
          copy(call_of(member).in.part(rank() * block, block), call.out.part(member * block, block));
        break;
      case Collective::broadcast:
        if (rank() != call.root) copy(call_of(call.root).in, call.out);
        break;
      case Collective::shift:
        copy(call_of((rank() + size() - 1) % size()).in, call.out);
        break;
      case Collective::reduce_scatter:
        targets_.assign(1, call.out.data);
        reduce(call, {rank() * block, block});
        break;
      case Collective::all_reduce:
        reduce_for_members(call, 0, size());
        break;
      case Collective::reduce:
        reduce_for_members(call, call.root, call.root + 1);
        break;
      case Collective::barrier:
        break;
    }
  }

  // This member reduces its slice for members first to last - 1. In place is safe: nobody else touches that slice.
  void reduce_for_members(const CollectiveCall& call, int first, int last) {
    const Slice slice = slice_of(call.in.count, call.in.dtype, rank(), size());
    targets_.clear();
    for (int member = first; member < last; ++member)
      targets_.push_back(call_of(member).out.part(slice.begin, slice.count).data);
    reduce(call, slice);
  }

  void reduce(const CollectiveCall& call, Slice slice) {
    for (int member = 0; member < size(); ++member)
      sources_[static_cast<std::size_t>(member)] = call_of(member).in.part(slice.begin, slice.count).data;
    reduce_in_order(call.in.dtype, call.reduction, sources_, targets_, slice.count);
  }

  const std::shared_ptr<LocalWorld::Shared> shared_;
  LocalGroup& group_;
  std::vector<const void*> sources_;  // of the reduction at hand; kept so that no call allocates
  std::vector<void*> targets_;
};

}  // namespace

LocalWorld::LocalWorld(int ranks, WaitPolicy policy) : shared_(std::make_shared<Shared>(ranks, std::move(policy))) {}

std::unique_ptr<Communicator> LocalWorld::member(int rank) {
  std::vector<int> ranks(shared_->world().seats.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  return std::make_unique<LocalCommunicator>(shared_, shared_->world(), rank, std::move(ranks), "world");
}

}  // namespace ctrain
