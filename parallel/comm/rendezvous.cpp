#include "parallel/comm/rendezvous.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "memory/error.h"
#include "parallel/comm/rendezvous_server.h"

namespace ctrain {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double forever = 1e9, one_attempt = 5, soon = 0.5;  // seconds
constexpr auto nap = std::chrono::milliseconds(50);
constexpr double answer_grace = 5;  // seconds that the server, which knows who is missing, has to say so first

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

Rendezvous::Rendezvous(const RendezvousPlace& place, const WaitPolicy& policy)
    : place_(place), policy_(policy), exceptions_(std::uncaught_exceptions()) {
  require(place.rank >= 0 && place.rank < place.ranks, "no rank {} among {}", place.rank, place.ranks);
  if (place.rank == 0) {
    try {
      server_ = std::make_unique<RendezvousServer>(place, policy);
    } catch (const Error& error) {
      throw running_error("{}: {}; choose another port", here(), error.what());
    }
  }
  connect();
  await_welcome();
  listener_ = std::jthread([this] { listen(); });
}

Rendezvous::~Rendezvous() {
  if (std::uncaught_exceptions() <= exceptions_) leave();
  if (listener_.joinable()) {
    end_both_ways(socket_);
    listener_.join();
  }
  socket_ = Socket();  // before the server, which waits for it
}

std::string Rendezvous::here() const { return fmt::format("rendezvous at {}:{}", place_.host, place_.port); }

void Rendezvous::connect() {
  const auto start = Clock::now();
  bool has_warned = !policy_.warn;
  std::string why;
  while (!(socket_ = connect_to(place_.host, place_.port, std::min(policy_.timeout, one_attempt), why))) {
    const double waited = seconds_since(start);
    if (waited > policy_.timeout)
      throw running_error("{}: rank {} waited {} s in vain for rank 0: {}", here(), place_.rank, policy_.timeout, why);
    if (!has_warned && waited > policy_.warning) {
      policy_.warn(
          fmt::format("{}: rank {} has waited {} s for rank 0: {}", here(), place_.rank, policy_.warning, why));
      has_warned = true;
    }
    std::this_thread::sleep_for(nap);
  }
  send_all(socket_, encoded({Kind::hello, rendezvous_greeting, fmt::format("{} {}", place_.rank, place_.ranks)}));
}

void Rendezvous::await_welcome() {
  const auto start = Clock::now();
  while (true) {
    const bool is_open = receive_some(socket_, 100, received_);
    if (const auto message = take_message(received_)) {
      if (message->kind == Kind::failure) throw running_error("{}: {}", here(), message->value);
      address_ = message->value;
      return;
    }
    if (!is_open) throw running_error("{}: rank 0 died before all ranks were there", here());
    if (seconds_since(start) > policy_.timeout + answer_grace)
      throw running_error("{}: rank {} waited {} s in vain for rank 0's welcome", here(), place_.rank, policy_.timeout);
  }
}

void Rendezvous::listen() {
  do {
    while (auto message = take_message(received_)) {
      if (message->kind == Kind::failure) {
        note_failure(message->value);
      } else {
        const std::lock_guard lock(mutex_);
        answer_ = std::move(message);
        changed_.notify_all();
      }
    }
  } while (receive_some(socket_, -1, received_));
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  if (failure_.empty() && !has_left_) failure_ = "rank 0 died";
  changed_.notify_all();
}

void Rendezvous::note_failure(const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = message;
  changed_.notify_all();
}

std::string Rendezvous::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Rendezvous::fail(const std::string& message) {
  note_failure(message);
  send_all(socket_, encoded({Kind::failure, "", message}));
}

std::optional<RendezvousMessage> Rendezvous::ask(const RendezvousMessage& question, double timeout) {
  // An answer that comes too late is not taken for that of the next question.
  const auto is_answered = [&] { return answer_ && answer_->key == question.key; };
  std::unique_lock lock(mutex_);
  answer_.reset();
  send_all(socket_, encoded(question));
  changed_.wait_for(lock, std::chrono::duration<double>(std::min(timeout, forever)),
                    [&] { return is_answered() || is_closed_ || !failure_.empty(); });
  return is_answered() ? std::exchange(answer_, std::nullopt) : std::nullopt;
}

void Rendezvous::check_failure() const {
  if (const std::string reason = failure(); !reason.empty()) throw running_error("{}: {}", here(), reason);
}

void Rendezvous::set(const std::string& key, const std::string& value) {
  send_all(socket_, encoded({Kind::set, key, value}));
}

std::string Rendezvous::get(const std::string& key) {
  check_failure();
  if (auto answer = ask({Kind::get, key}, policy_.timeout)) return std::move(answer->value);
  check_failure();
  throw running_error("{}: rank {} waited {} s in vain for '{}'", here(), place_.rank, policy_.timeout, key);
}

std::optional<std::string> Rendezvous::find(const std::string& key) {
  auto answer = ask({Kind::find, key}, soon);
  return answer ? std::optional(std::move(answer->value)) : std::nullopt;
}

void Rendezvous::leave() {
  {
    const std::lock_guard lock(mutex_);
    if (has_left_ || !failure_.empty()) return;
    has_left_ = true;
  }
  ask({Kind::leave}, policy_.timeout);
}

int free_port() { return port_of(listen_at(0)); }

}  // namespace ctrain
