// The rendezvous: keys and values, who is missing, who has died, and what else may knock at the port.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "memory/error.h"
#include "parallel/comm/rendezvous.h"

namespace ctrain {
namespace {

using Catch::Contains;

// Runs `body` as the given ranks of `n`, each in a thread; what each threw.
std::vector<std::string> meet(int port, const std::vector<int>& ranks, int n, const WaitPolicy& policy,
                              const std::function<void(Rendezvous&)>& body) {
  std::vector<std::string> messages(ranks.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < ranks.size(); ++i)
      threads.emplace_back([&, i] {
        try {
          Rendezvous rendezvous({"127.0.0.1", port, ranks[i], n}, policy);
          body(rendezvous);
        } catch (const std::exception& error) {
          messages[i] = error.what();
        }
      });
  }
  return messages;
}

const WaitPolicy patient = {.timeout = 60};
const auto nothing = [](Rendezvous&) {};

TEST_CASE("every rank gets what any rank sets", "[rendezvous]") {
  std::vector<std::string> got(4);
  const auto messages = meet(free_port(), {0, 1, 2, 3}, 4, patient, [&](Rendezvous& rendezvous) {
    const int rank = rendezvous.place().rank;
    if (rank == 2) {
      require(rendezvous.find("nobody sets this") == "", "found what nobody set");
      rendezvous.set("id", std::string("a\0b", 3) + std::string(100'000, 'x'));
    }
    got[static_cast<std::size_t>(rank)] = rendezvous.get("id");
    require(rendezvous.address() == "127.0.0.1", "reached at {}", rendezvous.address());
  });
  CHECK(messages == std::vector<std::string>(4));
  CHECK(got == std::vector<std::string>(4, std::string("a\0b", 3) + std::string(100'000, 'x')));
}

TEST_CASE("ranks that do not come are named, first by a warning", "[rendezvous]") {
  std::mutex mutex;
  std::vector<std::string> warnings;
  WaitPolicy policy = {.timeout = 0.4, .warning = 0.15};
  policy.warn = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    warnings.push_back(text);
  };
  const int port = free_port();
  const auto place = fmt::format("rendezvous at 127.0.0.1:{}: ", port);
  for (const std::string& message : meet(port, {0, 2}, 4, policy, nothing))
    CHECK(message == place + "waited 0.4 s in vain for ranks 1, 3");
  CHECK(warnings == std::vector<std::string>{place + "has waited 0.15 s for ranks 1, 3"});

  warnings.clear();
  const auto alone = meet(port, {1}, 2, policy, nothing);
  CHECK(alone[0] == place + "rank 1 waited 0.4 s in vain for rank 0: Connection refused");
  CHECK(warnings == std::vector<std::string>{place + "rank 1 has waited 0.15 s for rank 0: Connection refused"});
}

TEST_CASE("a failure reaches every rank, also those that wait", "[rendezvous]") {
  const int failing = GENERATE(0, 1);
  const auto messages = meet(free_port(), {0, 1, 2}, 3, patient, [&](Rendezvous& rendezvous) {
    if (rendezvous.place().rank == failing) return rendezvous.fail("out of ink");
    rendezvous.get("never");
  });
  for (int rank = 0; rank < 3; ++rank) {
    const std::string& message = messages[static_cast<std::size_t>(rank)];
    if (rank == failing)
      CHECK(message.empty());
    else
      CHECK_THAT(message, Contains("out of ink"));
  }
}

TEST_CASE("a rank that goes without leaving has died", "[rendezvous]") {
  const int dying = GENERATE(0, 2);
  const auto messages = meet(free_port(), {0, 1, 2}, 3, patient, [&](Rendezvous& rendezvous) {
    if (rendezvous.place().rank == dying) throw std::runtime_error("unwound");
    rendezvous.get("never");
  });
  for (int rank = 0; rank < 3; ++rank)
    CHECK_THAT(messages[static_cast<std::size_t>(rank)],
               Contains(rank == dying ? "unwound" : fmt::format("rank {} died", dying)));
}

TEST_CASE("a rank that does not leave holds the others for the timeout at most", "[rendezvous]") {
  const int port = free_port();
  std::atomic<bool> has_left = false;
  std::vector<std::string> messages(2);
  {
    std::jthread late([&] {
      messages[1] = meet(port, {1}, 2, {.timeout = 10}, [&](Rendezvous&) {
        while (!has_left) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      })[0];
    });
    messages[0] = meet(port, {0}, 2, {.timeout = 1}, nothing)[0];
    has_left = true;
  }
  CHECK(messages == std::vector<std::string>(2));
}

TEST_CASE("strangers at the port are turned away", "[rendezvous]") {
  const int port = free_port();
  std::jthread stranger([port] {
    std::string why;
    Socket socket;
    while (!(socket = connect_to("127.0.0.1", port, 1, why))) std::this_thread::yield();
    send_all(socket, "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n");
    std::string answer;
    while (receive_some(socket, -1, answer)) continue;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(meet(port, {0, 1}, 2, patient, nothing) == std::vector<std::string>(2));
}

TEST_CASE("ranks of two jobs at one port are told", "[rendezvous]") {
  const int port = free_port();
  const Socket taken = listen_at(port);
  CHECK_THAT(meet(port, {0}, 1, patient, nothing)[0],
             Contains("Address already in use") && Contains("choose another port"));
  const int other = free_port();
  std::vector<std::string> second(2);
  const auto messages = meet(other, {0, 1}, 2, patient, [&](Rendezvous& rendezvous) {
    const auto rank = static_cast<std::size_t>(rendezvous.place().rank);
    second[rank] = meet(other, {1}, 2, patient, nothing)[0];
  });
  CHECK(messages == std::vector<std::string>(2));
  for (const std::string& message : second) CHECK_THAT(message, Contains("rank 1 is there already"));
}

}  // namespace
}  // namespace ctrain
