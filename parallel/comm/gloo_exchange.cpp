#include "parallel/comm/gloo_exchange.h"

#include <gloo/common/error.h>

#include <thread>

#include "memory/allocation_counter.h"
#include "memory/error.h"
#include "ops/philox.h"

namespace ctrain {
namespace {

// How long the news that a rank has died may take after its connections have closed.
constexpr std::chrono::milliseconds news(500), nap(5);

std::size_t bytes_of(ConstSpan span) { return static_cast<std::size_t>(span.bytes()); }

}  // namespace

GlooExchange::GlooExchange(GlooMesh& mesh, const Communicator& owner, std::uint64_t group)
    : Exchange(owner, mesh.policy()), mesh_(mesh), group_(group) {
  reserve(2 * owner.size(), 0);
}

void GlooExchange::reserve(std::int64_t messages, std::int64_t /*elements*/) {
  messages_.reserve(static_cast<std::size_t>(messages));
  buffers_.reserve(static_cast<std::size_t>(messages));
}

// gloo ends the program where a message is longer than its receiver expects, so all that members must agree on is a
// part of the slot: calls that do not match never meet.
void GlooExchange::begin(const CollectiveCall& call) {
  Exchange::begin(call);
  const auto word = [](auto value) { return static_cast<std::uint64_t>(value); };
  const std::uint64_t kind = word(call.collective) << 16 | word(call.in.dtype) << 8 | word(call.reduction);
  slot_ = random_key(group_, "call", word(owner_.calls()));
  slot_ = random_key(slot_, "kind", kind << 32 | word(call.root));
  slot_ = random_key(slot_, "size", word(call.in.count));
  next_ = 0;
}

void GlooExchange::receive(int member, Span span) {
  add(member, span.count, true, [&](int rank) { return mesh_.receive(rank, slot_, span.data, bytes_of(span)); });
}

void GlooExchange::send(int member, ConstSpan span) {
  add(member, span.count, false, [&](int rank) { return mesh_.send(rank, slot_, span.data, bytes_of(span)); });
}

template <typename Start>
void GlooExchange::add(int member, std::int64_t count, bool is_receive, Start start) {
  messages_.push_back({member, count, is_receive, false});
  const VendorCall vendor;
  try {
    buffers_.push_back(start(owner_.ranks()[static_cast<std::size_t>(member)]));
  } catch (const gloo::Exception& error) {
    fail_lost(member, error.what());
  }
}

// One message after the other gets a moment, so that missing() knows of each.
std::size_t GlooExchange::advance(Seconds /*waited*/) {
  while (messages_[next_].is_done) next_ = (next_ + 1) % messages_.size();
  Message& message = messages_[next_];
  try {
    message.is_done = mesh_.wait_a_moment(*buffers_[next_], message.is_receive);
  } catch (const gloo::Exception& error) {
    fail_lost(message.member, error.what());
  }
  if (message.is_done) return 1;
  next_ = (next_ + 1) % messages_.size();
  if (const std::string failure = mesh_.rendezvous().failure(); !failure.empty()) fail_ended(failure);
  return 0;
}

// A member with whom the connection broke has died, or has given up since another did: the rendezvous tells.
void GlooExchange::fail_lost(int member, const std::string& why) {
  const auto deadline = Clock::now() + news;
  std::string failure;
  while ((failure = mesh_.rendezvous().failure()).empty() && Clock::now() < deadline) std::this_thread::sleep_for(nap);
  if (failure.empty()) fail(fmt::format("lost {}: {}", owner_.text_of_members({member}), why));
  fail_ended(failure);
}

void GlooExchange::fail_ended(const std::string& failure) {
  fail(fmt::format("ended while waiting for {}: {}", missing(), failure));
}

// Who waits long says at the rendezvous where it stands, and looks where those stand for whom it waits.
void GlooExchange::look_for_mismatch() {
  const std::string here = fmt::format("{} {} ", group_, owner_.calls()), mine = text_of(call_);
  const auto key_of = [](int rank) { return fmt::format("standing {}", rank); };
  mesh_.rendezvous().set(key_of(owner_.world_rank()), here + mine);
  for (const Message& message : messages_) {
    if (message.is_done || !message.is_receive) continue;
    const auto theirs = mesh_.rendezvous().find(key_of(owner_.ranks()[static_cast<std::size_t>(message.member)]));
    if (!theirs) return;
    if (theirs->starts_with(here) && *theirs != here + mine)
      fail_mismatch(message.member, fmt::format("called {}", theirs->substr(here.size())));
  }
}

// gloo lets go of a buffer when that is destroyed.
void GlooExchange::forget() {
  const VendorCall vendor;
  buffers_.clear();
}

}  // namespace ctrain
