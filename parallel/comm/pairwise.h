// Collectives among processes, the same for every backend: made of messages between pairs, so that a rank which waits
// knows for whom, with sums formed here, in the order of the members, to the bits of `local`. An all_reduce exchanges
// slices, adds, and gathers (two rounds), or gathers and adds where it is small (one).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "parallel/comm/communicator.h"
#include "parallel/comm/exchange.h"

namespace ctrain {

class PairwiseCommunicator : public Communicator {
 public:
  // `exchange` is the derived class's own, and is not used before that is constructed.
  PairwiseCommunicator(int rank, std::vector<int> ranks, std::string name, Exchange& exchange);

  void reserve(std::size_t bytes) override;

 private:
  void execute(const CollectiveCall& call) override;

  template <typename Visit>
  void for_others(Visit visit) const;
  template <typename From, typename To>
  void exchange_with_all(From from, To to);
  template <typename SliceOf>
  void exchange_and_reduce(const CollectiveCall& call, SliceOf slice_of_member, Span out);
  void all_reduce_slices(const CollectiveCall& call);
  void reduce_slices(const CollectiveCall& call);

  // Room for one span like `like` from every member, each on cache lines of its own.
  Span staged(int member, ConstSpan like);
  void grow_staging(std::size_t bytes);

  Exchange& exchange_;
  std::vector<std::byte> staging_;
  std::vector<const void*> sources_;  // of the reduction at hand; kept so that no call allocates
};

}  // namespace ctrain
