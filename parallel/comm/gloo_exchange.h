// Messages through gloo. Private to gloo.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/comm/exchange.h"
#include "parallel/comm/gloo_mesh.h"

namespace ctrain {

class GlooExchange final : public Exchange {
 public:
  // `group` is a number that only this group of ranks has.
  GlooExchange(GlooMesh& mesh, const Communicator& owner, std::uint64_t group);

  void reserve(std::int64_t messages, std::int64_t elements) override;
  void begin(const CollectiveCall& call) override;
  void receive(int member, Span span) override;
  void send(int member, ConstSpan span) override;

 private:
  std::size_t advance(Seconds waited) override;
  void look_for_mismatch() override;
  void forget() override;

  template <typename Start>
  void add(int member, std::int64_t count, bool is_receive, Start start);  // start(world rank) makes the buffer
  [[noreturn]] void fail_lost(int member, const std::string& why);
  [[noreturn]] void fail_ended(const std::string& failure);

  GlooMesh& mesh_;
  const std::uint64_t group_;
  std::uint64_t slot_ = 0;
  std::size_t next_ = 0;                   // the message to wait for
  std::vector<GlooMesh::Buffer> buffers_;  // goes with messages_
};

}  // namespace ctrain
