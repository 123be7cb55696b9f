#include "parallel/comm/gloo_mesh.h"

#include <gloo/common/error.h>
#include <gloo/transport/device.h>
#include <gloo/transport/tcp/device.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <vector>

#include "memory/error.h"

namespace ctrain {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds moment(10);
constexpr auto no_limit = std::chrono::hours(24 * 365);
constexpr double longest_connect = 60;  // seconds: all ranks are there, so that a connection takes no time
constexpr int patience_of_gloo = 5;     // what it multiplies a context's timeout by while it connects

std::string key_of(int from, int to) { return fmt::format("address of rank {} for rank {}", from, to); }

// gloo's thread, woken by the answer to what this thread sends, asks again and again for a lock that this one holds. As
// SCHED_BATCH, inherited here, it does not take this one's core away for that: fifteen times as many steps a second
// where ranks are more than cores.
std::shared_ptr<gloo::transport::Device> make_device(const std::string& address) {
  const sched_param none = {};
  sched_setscheduler(0, SCHED_BATCH, &none);
  auto device = gloo::transport::tcp::CreateDevice(address.c_str());
  sched_setscheduler(0, SCHED_OTHER, &none);
  return device;
}

}  // namespace

GlooMesh::GlooMesh(const RendezvousPlace& place, const WaitPolicy& policy)
    : policy_(policy), rendezvous_(place, policy) {
  std::signal(SIGPIPE, SIG_IGN);  // gloo writes to peers that may have died; errno says so too
  try {
    connect();
  } catch (const gloo::Exception& error) {
    const std::string reason = rendezvous_.failure();
    throw running_error("gloo: rank {} cannot connect: {}", place.rank, reason.empty() ? error.what() : reason);
  }
  interrupter_ = std::jthread([this](const std::stop_token& stop) { interrupt(stop); });
}

// Connections close when nobody has bytes under way any more.
GlooMesh::~GlooMesh() { rendezvous_.leave(); }

void GlooMesh::connect() {
  const auto [host, port, rank, ranks] = rendezvous_.place();
  const auto device = make_device(rendezvous_.address());
  context_ = device->createContext(rank, ranks);
  const double timeout = std::min(policy_.timeout, longest_connect);
  context_->setTimeout(Milliseconds(static_cast<std::int64_t>(timeout * 1000 / patience_of_gloo) + 1));
  for (int other = 0; other < ranks; ++other) {
    if (other == rank) continue;
    const std::vector<char> bytes = context_->createPair(other)->address().bytes();
    rendezvous_.set(key_of(rank, other), {bytes.begin(), bytes.end()});
  }
  for (int other = 0; other < ranks; ++other) {
    if (other == rank) continue;
    const std::string bytes = rendezvous_.get(key_of(other, rank));
    context_->getPair(other)->connect({bytes.begin(), bytes.end()});
  }
}

GlooMesh::Buffer GlooMesh::receive(int rank, std::uint64_t slot, void* data, std::size_t bytes) {
  Buffer buffer = context_->createUnboundBuffer(data, bytes);
  buffer->recv(rank, slot, 0, bytes);
  return buffer;
}

GlooMesh::Buffer GlooMesh::send(int rank, std::uint64_t slot, const void* data, std::size_t bytes) {
  Buffer buffer = context_->createUnboundBuffer(const_cast<void*>(data), bytes);  // gloo has one type for both ways
  buffer->send(rank, slot, 0, bytes);
  return buffer;
}

bool GlooMesh::wait_a_moment(gloo::transport::UnboundBuffer& buffer, bool is_receive) {
  const auto await = [&](gloo::transport::UnboundBuffer* awaited) {
    const std::lock_guard lock(mutex_);
    awaited_ = awaited;
  };
  await(&buffer);
  try {
    const bool is_done = is_receive ? buffer.waitRecv(nullptr, no_limit) : buffer.waitSend(nullptr, no_limit);
    await(nullptr);
    return is_done;
  } catch (...) {
    await(nullptr);
    throw;
  }
}

void GlooMesh::interrupt(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::this_thread::sleep_for(moment);
    const std::lock_guard lock(mutex_);
    if (awaited_ == nullptr) continue;
    awaited_->abortWaitRecv();
    awaited_->abortWaitSend();
  }
}

}  // namespace ctrain
