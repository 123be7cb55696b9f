// A rank that fails, does not come, or calls something else: the others are told, soon, and nobody's memory is touched.
#include <catch2/catch.hpp>

#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "memory/error.h"
#include "tests/support/collective_script.h"
#include "tests/support/run_ranks.h"

using namespace ctrain;
using Catch::Contains;

namespace {

// What every rank's body threw, "" for nothing; what run_local_ranks itself threw is at the end.
std::vector<std::string> failures(int n, const WaitPolicy& policy, const std::function<void(Communicator&)>& body) {
  std::vector<std::string> messages(static_cast<std::size_t>(n) + 1);
  try {
    run_local_ranks(n, policy, [&](Communicator& world) {
      try {
        body(world);
      } catch (const std::exception& error) {
        messages[static_cast<std::size_t>(world.rank())] = error.what();
        throw;
      }
    });
  } catch (const std::exception& error) {
    messages.back() = error.what();
  }
  return messages;
}

const WaitPolicy patient = {.timeout = 60};

}  // namespace

// Run by the next one, in a process of its own: rank 1 stalls for ever.
TEST_CASE("stalled rank thread", "[.stalled]") {
  run_local_ranks(3, {.timeout = 0.2, .grace = 0.2}, [](Communicator& world) {
    while (world.rank() == 1) std::this_thread::sleep_for(std::chrono::hours(1));
    world.barrier();
  });
}

TEST_CASE("a rank thread that stalls for ever ends the process") {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  FILE* const program = popen(fmt::format("'{}' '[.stalled]' 2>&1", self).c_str(), "r");
  REQUIRE(program != nullptr);
  std::string told(4096, '\0');
  told.resize(std::fread(told.data(), 1, told.size(), program));
  const int status = pclose(program);
  INFO(told);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK_THAT(told,
             Catch::Matches("rank [02] failed: rank [02]: barrier, number 1 over 'world': .*waited 0.2 s in vain for "
                            "ranks? .*1.*\nrank 1 did not end: the process is ended\n"));
}

TEST_CASE("a rank that throws ends the others' waits, in every group") {
  const auto messages = failures(4, patient, [](Communicator& world) {
    const auto row = world.subgroup(world.rank() < 2 ? std::vector{0, 1} : std::vector{2, 3}, "row");
    std::vector<float> data(1000);
    row->barrier();
    if (world.rank() == 1) throw std::runtime_error("out of paper");
    if (world.rank() == 0) row->all_reduce(view(data), view(data), Reduction::sum);
    world.all_reduce(view(data), view(data), Reduction::sum);
  });
  CHECK_THAT(messages[0], Contains("rank 0: all_reduce of 1000 fp32 (sum), number 2 over 'row'") &&
                              Contains("while waiting for rank 1") && Contains("rank 1 failed: out of paper"));
  CHECK(messages[1] == "out of paper");
  for (const std::size_t rank : {2, 3})
    CHECK_THAT(messages[rank],
               Contains(fmt::format("rank {}: all_reduce of 1000 fp32 (sum), number 2 over 'world'", rank)) &&
                   Contains("rank 1 failed: out of paper"));
  CHECK(messages[4] == "out of paper");
}

TEST_CASE("a rank that only waits for its device sees that another has failed") {
  const auto messages = failures(2, patient, [](Communicator& world) {
    const auto pair = world.subgroup({0, 1}, "pair");
    if (world.rank() == 1) throw std::runtime_error("out of paper");
    for (;;) pair->check_health();
  });
  CHECK(messages[0] == "rank 0: ended with 0 calls made over 'pair': rank 1 failed: out of paper");
  CHECK(messages[2] == "out of paper");
}

TEST_CASE("a failure at any moment ends every rank and lets no rank unwind under another's reads") {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::int64_t> completed(4);
    std::atomic<bool> is_wrong = false;
    const auto messages = failures(4, patient, [&](Communicator& world) {
      for (int step = 0;; ++step) {
        std::vector<float> data(2000, 1);  // freed by the error: a late reader would see it (asan)
        if (world.rank() == round % 4 && step == round % 7) throw std::runtime_error("gone");
        world.all_reduce(view(data), view(data), Reduction::sum);
        for (const float value : data) is_wrong = is_wrong || value != 4;
        ++completed[static_cast<std::size_t>(world.rank())];
      }
    });
    CHECK(completed == std::vector<std::int64_t>(4, round % 7));  // a meeting counts for all members or for none
    CHECK(!is_wrong);
    CHECK(messages.back() == "gone");
  }
}

TEST_CASE("a rank that does not come is missed by name") {
  std::mutex mutex;
  std::vector<std::string> warnings;
  WaitPolicy policy = {.timeout = 0.3, .warning = 0.1};
  policy.warn = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    warnings.push_back(text);
  };
  std::atomic<int> ended = 0;
  const auto messages = failures(3, policy, [&](Communicator& world) {
    std::vector<double> data(5), all(15);
    world.barrier();
    if (world.rank() == 1) {
      while (ended < 2) std::this_thread::yield();
    } else {
      try {
        world.all_gather(view(data), view(all));
      } catch (...) {
        ++ended;
        throw;
      }
    }
  });
  CHECK(messages[1].empty());
  // "ranks 1, 2" where the machine is so busy that rank 2 is late as well.
  for (const std::size_t rank : {0, 2})
    CHECK_THAT(messages[rank], Contains(fmt::format("rank {}: all_gather of 5 fp64, number 2 over 'world'", rank)) &&
                                   Catch::Matches(".*waited 0.3 s in vain for ranks? .*1.*"));
  CHECK(warnings.size() >= 2);
  CHECK_THAT(warnings.back(), Catch::Matches("rank [02]: all_gather of 5 fp64, number 2 over 'world': "
                                             "has waited 0.1 s for ranks? .*1.*"));
}

TEST_CASE("a call that does not match the others' is told by all and moves nothing") {
  const int odd_one = GENERATE(0, 2);
  const int kind = GENERATE(0, 1, 2, 3, 4);
  std::vector<std::vector<float>> results(3);
  const auto messages = failures(3, patient, [&](Communicator& world) {
    const bool is_odd = world.rank() == odd_one;
    std::vector<float>& data = results[static_cast<std::size_t>(world.rank())];
    data.assign(100, static_cast<float>(world.rank()));
    if (kind == 0)
      return world.all_reduce(view(data).part(0, is_odd ? 50 : 100), view(data).part(0, is_odd ? 50 : 100),
                              Reduction::sum);
    if (kind == 1) return world.all_reduce(view(data), view(data), is_odd ? Reduction::max : Reduction::sum);
    if (kind == 2) return world.broadcast(view(data), is_odd ? 1 : 0);
    if (kind == 3) return is_odd ? world.barrier() : world.broadcast(view(data), 0);
    Span span = view(data);
    if (is_odd) span.dtype = DType::i32;
    world.broadcast(span, 0);
  });
  for (std::size_t rank = 0; rank < 3; ++rank) {
    CHECK_THAT(messages[rank],
               Contains("the members' calls do not match") && Contains(fmt::format("rank {}", odd_one)));
    CHECK(results[rank] == std::vector<float>(100, static_cast<float>(rank)));
  }
}

TEST_CASE("sizes that do not fit are refused before anyone is waited for") {
  const auto messages = failures(2, patient, [](Communicator& world) {
    std::vector<float> data(3), other(4);
    world.all_gather(view(data), view(other));
  });
  CHECK_THAT(messages.back(),
             Contains("all_gather of 3 fp32 over 2 ranks into 4 fp32: the counts do not fit together"));
}

TEST_CASE("members that disagree about their group are told") {
  const auto messages = failures(3, patient, [](Communicator& world) {
    world.subgroup(world.rank() == 2 ? std::vector{1, 2} : std::vector{0, 1}, "pair");
  });
  CHECK_THAT(messages.back(), Contains("'pair'") && Contains("rank 1") && Contains("disagree"));
}
