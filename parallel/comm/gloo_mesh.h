// Connections of every rank with every other through gloo, and the rendezvous at which they were made. Private to
// gloo*.cpp.
#pragma once

#include <gloo/transport/context.h>
#include <gloo/transport/unbound_buffer.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "parallel/comm/rendezvous.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

class GlooMesh {
 public:
  GlooMesh(const RendezvousPlace& place, const WaitPolicy& policy);
  ~GlooMesh();
  GlooMesh(const GlooMesh&) = delete;
  GlooMesh& operator=(const GlooMesh&) = delete;

  [[nodiscard]] Rendezvous& rendezvous() { return rendezvous_; }
  [[nodiscard]] const WaitPolicy& policy() const { return policy_; }

  // Messages with the same slot between two ranks are matched in order, and are of one length.
  using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;
  Buffer receive(int rank, std::uint64_t slot, void* data, std::size_t bytes);
  Buffer send(int rank, std::uint64_t slot, const void* data, std::size_t bytes);

  // True once the message is done, false after a moment in which it was not. Throws where the other rank has gone.
  bool wait_a_moment(gloo::transport::UnboundBuffer& buffer, bool is_receive);

 private:
  void connect();
  void interrupt(const std::stop_token& stop);

  const WaitPolicy policy_;
  Rendezvous rendezvous_;
  std::shared_ptr<gloo::transport::Context> context_;

  // gloo closes every connection where a wait times out, so waits are without limit and broken off now and then.
  std::mutex mutex_;
  gloo::transport::UnboundBuffer* awaited_ = nullptr;
  std::jthread interrupter_;
};

}  // namespace ctrain
