#include "parallel/comm/rendezvous_server.h"

#include <fmt/ranges.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr int tick = 50;  // milliseconds between looks at who is missing, or at the end of rank 0

}  // namespace

RendezvousServer::RendezvousServer(const RendezvousPlace& place, WaitPolicy policy)
    : place_(place),
      policy_(std::move(policy)),
      listener_(listen_at(place.port)),
      thread_([this](const std::stop_token& stop) { serve(stop); }) {}

void RendezvousServer::serve(const std::stop_token& stop) {
  while (left_ < place_.ranks && !(stop.stop_requested() && !has(0))) {
    wait();
    for (auto connection = connections_.begin(); connection != connections_.end();) {
      if (connection->is_gone && connection->rank >= 0 && !connection->has_left)
        fail(fmt::format("rank {} died", connection->rank));
      connection = connection->is_gone ? connections_.erase(connection) : std::next(connection);
    }
    if (!is_complete_ && failure_.empty()) watch_for_missing();
  }
}

bool RendezvousServer::has(int rank) const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [&](const Connection& connection) { return connection.rank == rank; });
}

void RendezvousServer::wait() {
  std::vector<pollfd> states = {{listener_.descriptor(), POLLIN, 0}};
  for (const Connection& connection : connections_) states.push_back({connection.socket.descriptor(), POLLIN, 0});
  if (poll(states.data(), states.size(), is_complete_ && has(0) ? -1 : tick) <= 0) return;
  auto state = states.begin() + 1;
  for (Connection& connection : connections_)
    if ((state++)->revents != 0) read(connection);
  if (states.front().revents != 0)
    if (Socket socket = accept_from(listener_)) connections_.push_back({std::move(socket)});
}

void RendezvousServer::read(Connection& connection) {
  try {
    if (!receive_some(connection.socket, 0, connection.received)) connection.is_gone = true;
    while (const auto message = take_message(connection.received)) handle(connection, *message);
  } catch (const Error&) {  // whoever that is speaks another language
    connection.is_gone = true;
  }
}

void RendezvousServer::handle(Connection& connection, const RendezvousMessage& message) {
  if (connection.rank < 0 && message.kind != Kind::hello) throw running_error("no hello");
  const auto found = values_.find(message.key);
  switch (message.kind) {
    case Kind::hello:
      return greet(connection, message);
    case Kind::set:
      values_[message.key] = message.value;
      for (Connection& waiting : connections_)
        if (waiting.wanted == message.key) {
          waiting.wanted.clear();
          send(waiting, {Kind::value, message.key, message.value});
        }
      return;
    case Kind::get:
      if (found == values_.end())
        connection.wanted = message.key;
      else
        send(connection, {Kind::value, message.key, found->second});
      return;
    case Kind::find:
      return send(connection, {Kind::value, message.key, found == values_.end() ? "" : found->second});
    case Kind::leave:
      connection.has_left = true;
      if (++left_ == place_.ranks)
        for (Connection& other : connections_) send(other, {Kind::left});
      return;
    case Kind::failure:
      return fail(message.value);
    default:
      throw running_error("an answer without a question");
  }
}

void RendezvousServer::greet(Connection& connection, const RendezvousMessage& message) {
  int rank = -1, ranks = -1;
  const char* const end = message.value.data() + message.value.size();
  const auto space = std::from_chars(message.value.data(), end, rank);
  if (space.ptr != end) std::from_chars(space.ptr + 1, end, ranks);
  if (message.key != rendezvous_greeting || rank < 0) throw running_error("another program");
  if (!failure_.empty()) return send(connection, {Kind::failure, "", failure_});
  if (ranks != place_.ranks)
    return fail(
        fmt::format("rank {} says that there are {} ranks, and rank 0 that there are {}", rank, ranks, place_.ranks));
  if (has(rank) || rank >= ranks) {  // perhaps of another job, which must not end this one
    const std::string problem = has(rank) ? "is there already" : fmt::format("is none of {} ranks", ranks);
    return send(connection, {Kind::failure, "",
                             fmt::format("rank {} {}: another job may be using {}:{}; choose another port", rank,
                                         problem, place_.host, place_.port)});
  }
  connection.rank = rank;
  if (missing().empty()) welcome_all();
}

// A rank that came by the loopback is reached, from other hosts, by the address at which they reached this one.
void RendezvousServer::welcome_all() {
  is_complete_ = true;
  std::string outer;
  for (const Connection& connection : connections_)
    if (connection.rank >= 0 && !is_loopback(peer_address(connection.socket))) outer = local_address(connection.socket);
  for (Connection& connection : connections_) {
    if (connection.rank < 0) continue;
    const std::string address = peer_address(connection.socket);
    send(connection, {Kind::welcome, "", is_loopback(address) && !outer.empty() ? outer : address});
  }
}

void RendezvousServer::watch_for_missing() {
  const double waited = std::chrono::duration<double>(Clock::now() - start_).count();
  if (waited > policy_.timeout) {
    fail(fmt::format("waited {} s in vain for {}", policy_.timeout, missing()));
  } else if (!has_warned_ && policy_.warn && waited > policy_.warning) {
    policy_.warn(fmt::format("rendezvous at {}:{}: has waited {} s for {}", place_.host, place_.port, policy_.warning,
                             missing()));
    has_warned_ = true;
  }
}

void RendezvousServer::fail(const std::string& message) {
  if (!failure_.empty()) return;
  failure_ = message;
  for (Connection& connection : connections_)
    if (connection.rank >= 0) send(connection, {Kind::failure, "", message});
}

void RendezvousServer::send(Connection& connection, const RendezvousMessage& message) {
  if (!connection.is_gone && !send_all(connection.socket, encoded(message))) connection.is_gone = true;
}

std::string RendezvousServer::missing() const {
  std::set<int> ranks;
  for (int rank = 0; rank < place_.ranks; ++rank) ranks.insert(ranks.end(), rank);
  for (const Connection& connection : connections_) ranks.erase(connection.rank);
  return ranks.empty() ? "" : fmt::format("{} {}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(ranks, ", "));
}

}  // namespace ctrain
