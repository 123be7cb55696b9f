// Rank threads: their start, the first failure of any, their end.
#include <fmt/ranges.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "parallel/comm/local.h"

namespace ctrain {
namespace {

[[noreturn]] void give_up(const std::string& failure, const std::vector<int>& running) {
  fmt::print(stderr, "{}\n{} {} did not end: the process is ended\n", failure, running.size() == 1 ? "rank" : "ranks",
             fmt::join(running, ", "));
  std::fflush(stderr);
  std::_Exit(1);  // nothing that the threads may be using is taken down
}

}  // namespace

void run_local_ranks(int ranks, const WaitPolicy& policy, const std::function<void(Communicator& world)>& body) {
  LocalWorld world(ranks, policy);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> running(static_cast<std::size_t>(ranks));
  std::iota(running.begin(), running.end(), 0);
  std::exception_ptr first;
  std::string first_message;
  const auto fail = [&](Communicator& member, const std::string& message) {
    {
      const std::lock_guard lock(mutex);  // kept before the others are ended, since they then fail as well
      if (!first) {
        first = std::current_exception();
        first_message = fmt::format("rank {} failed: {}", member.rank(), message);
      }
    }
    member.abort(message);
  };
  const auto run = [&](Communicator& member) {
    try {
      body(member);
    } catch (const std::exception& error) {
      fail(member, error.what());
    } catch (...) {
      fail(member, "an exception that is no std::exception");
    }
    const std::lock_guard lock(mutex);
    std::erase(running, member.rank());
    changed.notify_one();
  };
  {
    std::vector<std::jthread> threads;
    try {
      for (int rank = 0; rank < ranks; ++rank)
        threads.emplace_back([&run, member = world.member(rank)] { run(*member); });
    } catch (const std::system_error& error) {  // those that have a thread must not wait for the others
      const auto missing = static_cast<int>(threads.size());
      {
        const std::lock_guard lock(mutex);
        std::erase_if(running, [&](int rank) { return rank >= missing; });
      }
      fail(*world.member(missing), fmt::format("no thread for it: {}", error.what()));
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return running.empty() || first; });
    if (!changed.wait_for(lock, std::chrono::duration<double>(policy.grace), [&] { return running.empty(); }))
      give_up(first_message, running);
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace ctrain
