#include "parallel/comm/exchange.h"

#include <algorithm>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr double look_after = 1;  // seconds

// What the clock says between two looks at it: more means that this process was suspended, which is not waiting.
constexpr std::chrono::seconds longest_look(2);

}  // namespace

void Exchange::complete() {
  reserve(static_cast<std::int64_t>(messages_.size()), 0);
  auto last = Clock::now();
  bool has_warned = !policy_.warn;
  Seconds waited(0), next_look(look_after);
  for (std::size_t left = messages_.size(); left > 0;) {
    const std::size_t done = advance(waited);
    left -= done;
    if (done > 0) continue;
    const auto now = Clock::now();
    waited += std::min<Seconds>(now - last, longest_look);
    last = now;
    if (waited > next_look) {
      look_for_mismatch();
      next_look = waited + Seconds(look_after);
    }
    if (waited.count() > policy_.timeout) fail(fmt::format("waited {} s in vain for {}", policy_.timeout, missing()));
    if (!has_warned && waited.count() > policy_.warning) {
      policy_.warn(fmt::format("{}: has waited {} s for {}", owner_.standing_at(call_), policy_.warning, missing()));
      has_warned = true;
    }
  }
  forget();
  messages_.clear();
}

// The buffers go away with the error that is thrown, so messages under way are given up; the job can only end now.
void Exchange::fail(const std::string& why) {
  forget();
  messages_.clear();
  throw running_error("{}: {}", owner_.standing_at(call_), why);
}

void Exchange::fail_mismatch(int member, const std::string& what) {
  fail(fmt::format("the members' calls do not match: {} {}", owner_.text_of_members({member}), what));
}

std::string Exchange::missing() const {
  std::vector<int> members;
  for (const Message& message : messages_)
    if (!message.is_done) members.push_back(message.member);
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  return owner_.text_of_members(members);
}

}  // namespace ctrain
