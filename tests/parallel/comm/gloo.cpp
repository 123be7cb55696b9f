// Ranks that talk through gloo: the bits of `local`, and the messages of ranks that fail, stall or call another thing.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/support/collective_script.h"
#include "tests/support/gloo_ranks.h"
#include "tests/support/run_ranks.h"

namespace ctrain {
namespace {

using Catch::Contains;
using Catch::Matches;

const WaitPolicy patient = {.timeout = 60};

TEST_CASE("collectives through gloo have the bits of local", "[gloo]") {
  if (lacks_gloo()) return;
  const int n = GENERATE(1, 3);
  const auto script = [](std::vector<std::vector<std::byte>>& logs) {
    return [&](Communicator& world) { logs[static_cast<std::size_t>(world.rank())] = run_collective_script(world); };
  };
  std::vector<std::vector<std::byte>> expected(static_cast<std::size_t>(n)), logs(static_cast<std::size_t>(n));
  run_ranks(n, script(expected));
  CHECK(run_gloo_ranks(n, patient, script(logs)) == std::vector<std::string>(static_cast<std::size_t>(n)));
  CHECK(logs == expected);
}

TEST_CASE("large spans go through gloo", "[gloo]") {
  if (lacks_gloo()) return;
  std::vector<double> sums(3);
  const auto messages = run_gloo_ranks(3, patient, [&](Communicator& world) {
    std::vector<float> data(2'000'000, static_cast<float>(world.rank() + 1));
    world.all_reduce(view(data), view(data), Reduction::sum);
    for (const float value : data) sums[static_cast<std::size_t>(world.rank())] += value;
  });
  CHECK(messages == std::vector<std::string>(3));
  CHECK(sums == std::vector<double>(3, 12e6));
}

TEST_CASE("through gloo a rank that throws ends the others' waits, in every group", "[gloo]") {
  if (lacks_gloo()) return;
  const auto messages = run_gloo_ranks(4, patient, [](Communicator& world) {
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
}

TEST_CASE("through gloo a rank that does not come is missed by name", "[gloo]") {
  if (lacks_gloo()) return;
  std::mutex mutex;
  std::vector<std::string> warnings;
  WaitPolicy policy = {.timeout = 0.6, .warning = 0.2};
  policy.warn = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    warnings.push_back(text);
  };
  std::atomic<bool> is_over = false;
  const auto messages = run_gloo_ranks(3, policy, [&](Communicator& world) {
    std::vector<double> data(5), all(15);
    world.barrier();
    if (world.rank() == 1) {
      while (!is_over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return;
    }
    try {
      world.all_gather(view(data), view(all));
    } catch (...) {
      is_over = true;
      throw;
    }
  });
  for (const std::size_t rank : {0, 2})  // one was the first and told the other, perhaps
    CHECK_THAT(messages[rank], Matches("rank [02]: all_gather of 5 fp64, number 2 over 'world': .*"
                                       "waited 0.6 s in vain for ranks? .*1.*"));
  CHECK_THAT(warnings.back(), Matches("rank [02]: all_gather of 5 fp64, number 2 over 'world': "
                                      "has waited 0.2 s for ranks? .*1.*"));
}

TEST_CASE("through gloo a call that does not match the others' is told", "[gloo]") {
  if (lacks_gloo()) return;
  const int kind = GENERATE(0, 1);
  const auto messages = run_gloo_ranks(3, patient, [&](Communicator& world) {
    const bool is_odd = world.rank() == 2;
    std::vector<double> data(is_odd && kind == 0 ? 7 : 5), all(15);
    if (is_odd && kind == 1) return world.all_gather(view(data), view(all));
    world.all_reduce(view(data), view(data), Reduction::sum);
  });
  for (const std::string& message : messages)
    CHECK_THAT(message, Matches(".*the members' calls do not match: rank [0-2] called all_.*"));
}

}  // namespace
}  // namespace ctrain
