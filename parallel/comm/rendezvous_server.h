// The server of a rendezvous: a thread in rank 0's process. Private to rendezvous.cpp.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "parallel/comm/rendezvous.h"

namespace ctrain {

class RendezvousServer {
 public:
  // Serves until all ranks have left; the destructor waits for that, or for the end of rank 0's own connection.
  RendezvousServer(const RendezvousPlace& place, WaitPolicy policy);

 private:
  using Kind = RendezvousMessage::Kind;
  using Clock = std::chrono::steady_clock;
  struct Connection {
    Socket socket;
    int rank = -1;  // until it has said hello
    std::string received = {};
    std::string wanted = {};  // the key it waits for
    bool has_left = false;
    bool is_gone = false;
  };

  void serve(const std::stop_token& stop);
  void wait();  // for something to do, a second at most
  void read(Connection& connection);
  void handle(Connection& connection, const RendezvousMessage& message);
  void greet(Connection& connection, const RendezvousMessage& message);
  void welcome_all();
  void watch_for_missing();
  void fail(const std::string& message);
  void send(Connection& connection, const RendezvousMessage& message);
  [[nodiscard]] std::string missing() const;
  [[nodiscard]] bool has(int rank) const;

  const RendezvousPlace place_;
  const WaitPolicy policy_;
  const Clock::time_point start_ = Clock::now();
  const Socket listener_;
  std::list<Connection> connections_;
  std::map<std::string, std::string> values_;
  std::string failure_;
  bool is_complete_ = false, has_warned_ = false;
  int left_ = 0;
  std::jthread thread_;
};

}  // namespace ctrain
