// Messages through MPI. Private to mpi.cpp.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/comm/exchange.h"

namespace ctrain {

class MpiExchange final : public Exchange {
 public:
  // A message has at most `largest_message` elements; longer spans go as several.
  MpiExchange(MPI_Comm comm, const Communicator& owner, const WaitPolicy& policy, std::int64_t largest_message);

  void reserve(std::int64_t messages, std::int64_t elements) override;
  void begin(const CollectiveCall& call) override;
  void receive(int member, Span span) override;
  void send(int member, ConstSpan span) override;

 private:
  std::size_t advance(Seconds waited) override;
  void look_for_mismatch() override;
  void forget() override;

  // Adds the messages that a span needs; start(piece, count, request) starts each.
  template <typename AnySpan, typename Start>
  void add(int member, AnySpan span, bool is_receive, Start start);

  std::size_t test();
  void check_received(const Message& message, const MPI_Status& status, int error);
  void check(int code);

  const MPI_Comm comm_;
  const std::int64_t largest_message_;
  int tag_ = 0;
  std::vector<MPI_Request> requests_;  // goes with messages_; and room for what MPI_Testsome answers
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
};

// "MPI_ERR_COMM: invalid communicator"
std::string mpi_error_text(int code);

}  // namespace ctrain
