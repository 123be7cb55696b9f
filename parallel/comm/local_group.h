// What the members of a group of rank threads share, and what all groups of a world share. Private to local.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "parallel/comm/closable_barrier.h"
#include "parallel/comm/communicator.h"
#include "parallel/comm/local.h"

namespace ctrain {

struct LocalGroup {
  // What a member publishes; on cache lines of its own.
  struct alignas(64) Seat {
    CollectiveCall call;
    std::atomic<std::int64_t> entered = 0;  // number of its latest call, to tell who is missing
  };

  explicit LocalGroup(std::size_t members)
      : seats(members), entry(static_cast<int>(members)), exit(static_cast<int>(members)) {}

  std::vector<Seat> seats;
  ClosableBarrier entry;  // closed when a rank of the world fails
  ClosableBarrier exit;   // never closed
};

class LocalWorld::Shared {
 public:
  Shared(int ranks, WaitPolicy wait_policy);

  const WaitPolicy policy;
  [[nodiscard]] LocalGroup& world() { return *world_; }

  // The group that `members` of `parent` make with call number `sequence`: made by whoever comes first.
  LocalGroup& subgroup(const LocalGroup& parent, std::int64_t sequence, const std::vector<int>& members);

  // The first failure is kept, and closes every group.
  void fail(const std::string& message);
  [[nodiscard]] std::string failure();

 private:
  LocalGroup& add_group(std::size_t members);  // the mutex is held, or nobody else is there yet

  std::mutex mutex_;
  std::vector<std::unique_ptr<LocalGroup>> groups_;
  LocalGroup* world_;
  std::map<std::tuple<const LocalGroup*, std::int64_t, std::vector<int>>, LocalGroup*> subgroups_;
  bool failed_ = false;
  std::string failure_;
};

}  // namespace ctrain
