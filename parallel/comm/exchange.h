// One round of nonblocking messages between the members of a group: what collectives among processes are made of. A
// backend starts messages and sees which are done; waiting, warning, timeouts and what is told of them are alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/comm/communicator.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

class Exchange {
 public:
  Exchange(const Communicator& owner, const WaitPolicy& policy) : owner_(owner), policy_(policy) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Makes room for a round of `messages` messages of up to `elements` elements.
  virtual void reserve(std::int64_t messages, std::int64_t elements) = 0;

  // The rounds to come belong to this call of the owner. Then, per round: any number of messages, and complete(), which
  // throws on a timeout, on an error, and where a member sent what belongs to another call. Messages between two
  // members are matched in order; an empty span is a message too: it says that this member has come.
  virtual void begin(const CollectiveCall& call) { call_ = call; }
  virtual void receive(int member, Span span) = 0;
  virtual void send(int member, ConstSpan span) = 0;
  void complete();

 protected:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  struct Message {
    int member;
    std::int64_t count;
    bool is_receive;
    bool is_done;
  };

  // Marks the messages that were completed by now and says how many; where there are none, rests a moment. `waited`:
  // since complete() was called.
  virtual std::size_t advance(Seconds waited) = 0;
  virtual void look_for_mismatch() = 0;  // now and then in a long wait; fails where a member called something else
  virtual void forget() = 0;             // drops the round; what is not done is given up, and its buffers may go away

  [[noreturn]] void fail(const std::string& why);
  [[noreturn]] void fail_mismatch(int member, const std::string& what);  // "sent fewer elements than ..."
  [[nodiscard]] std::string missing() const;                             // the members of messages that are not done

  const Communicator& owner_;
  const WaitPolicy& policy_;
  CollectiveCall call_;
  std::vector<Message> messages_;  // of this round
};

}  // namespace ctrain
