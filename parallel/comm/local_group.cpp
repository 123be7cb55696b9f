#include "parallel/comm/local_group.h"

#include <utility>

#include "memory/error.h"

namespace ctrain {

LocalWorld::Shared::Shared(int ranks, WaitPolicy wait_policy) : policy(std::move(wait_policy)) {
  require(ranks > 0, "a world of {} ranks", ranks);
  world_ = &add_group(static_cast<std::size_t>(ranks));
}

LocalGroup& LocalWorld::Shared::add_group(std::size_t members) {
  groups_.push_back(std::make_unique<LocalGroup>(members));
  if (failed_) groups_.back()->entry.close();
  return *groups_.back();
}

LocalGroup& LocalWorld::Shared::subgroup(const LocalGroup& parent, std::int64_t sequence,
                                         const std::vector<int>& members) {
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = subgroups_.try_emplace({&parent, sequence, members}, nullptr);
  if (is_new) it->second = &add_group(members.size());
  return *it->second;
}

void LocalWorld::Shared::fail(const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (failed_) return;
  failed_ = true;
  failure_ = message;
  for (const auto& group : groups_) group->entry.close();
}

std::string LocalWorld::Shared::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace ctrain
