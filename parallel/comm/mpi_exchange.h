// One round of nonblocking messages between the members of a group. Private to mpi.cpp.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/comm/communicator.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

class MpiExchange {
 public:
  MpiExchange(MPI_Comm comm, const Communicator& owner, const WaitPolicy& policy, std::int64_t largest_message);

  // Makes room for a round of `messages` messages of up to `elements` elements.
  void reserve(std::int64_t messages, std::int64_t elements);

  // The rounds to come belong to this call of the owner. Then, per round: any number of messages, and complete(), which
  // throws on a timeout, on an MPI error, and where a member sent what belongs to another call.
  void begin(const CollectiveCall& call);
  void receive(int member, Span span);
  void send(int member, ConstSpan span);
  void complete();

 private:
  using Clock = std::chrono::steady_clock;
  struct Message {
    int member;
    int count;
    MPI_Datatype type;
    bool is_receive;
    bool is_done;
  };
  // Adds the messages that a span needs; start(piece, count, request) starts each.
  template <typename AnySpan, typename Start>
  void add(int member, AnySpan span, bool is_receive, Start start);

  std::size_t test();  // how many messages were completed by now
  void check_received(const Message& message, const MPI_Status& status, int error);
  void look_for_mismatch();
  void check(int code);
  [[noreturn]] void fail(const std::string& why);
  [[nodiscard]] std::string missing() const;

  const MPI_Comm comm_;
  const Communicator& owner_;
  const WaitPolicy& policy_;
  const std::int64_t largest_message_;
  CollectiveCall call_;
  int tag_ = 0;
  std::vector<Message> messages_;  // of this round; requests_ goes with it, and room for what MPI_Testsome answers
  std::vector<MPI_Request> requests_;
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
};

// "MPI_ERR_COMM: invalid communicator"
std::string mpi_error_text(int code);

}  // namespace ctrain
