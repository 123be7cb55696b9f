// Every schedule is proved for pipeline 2 to 16 and micro-batches 1 to 64, with its peak of stored activations; and
// what is not right is found and named.
#include "parallel/pipeline/schedule_check.h"

#include <catch2/catch.hpp>
#include <map>

#include "memory/error.h"
#include "parallel/pipeline/transfers.h"
#include "tests/parallel/pipeline/schedules.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using testing::ScheduleCase;

// The closed formulas.
int peak_activations(const ScheduleCase& test, int rank) {
  const int stages = test.stages, m = test.micro_batches;
  if (test.name == "gpipe") return m;
  if (test.name == "1f1b") return std::min(m, stages - rank);
  if (test.name == "zb_h1") return std::min(m, stages);
  if (test.name == "zbv") return std::min({2 * stages, 2 * m, m + 1 + rank});
  const int total = m * test.chunks;  // interleaved
  return m == stages ? total : std::min(2 * (stages - rank - 1) + (test.chunks - 1) * stages + 1, total);
}

Schedule complete(const std::string& name, int stages, int chunks, int micro_batches) {
  return with_transfers(make_schedule(name, stages, chunks, micro_batches));
}

std::size_t find(const std::vector<Instruction>& list, Action action, int chunk, int micro_batch) {
  const auto it = std::find(list.begin(), list.end(), Instruction{action, chunk, micro_batch});
  REQUIRE(it != list.end());
  return static_cast<std::size_t>(it - list.begin());
}

void swap(std::vector<Instruction>& list, const Instruction& a, const Instruction& b) {
  std::swap(list[find(list, a.action, a.chunk, a.micro_batch)], list[find(list, b.action, b.chunk, b.micro_batch)]);
}

TEST_CASE("Every schedule is right, and stores as many activations as its formula says", "[pipeline]") {
  for (const ScheduleCase& test : testing::all_schedule_cases()) {
    CAPTURE(testing::text(test));
    const ScheduleFacts facts = check_schedule(with_transfers(test.make()));
    std::vector<int> expected;
    for (int rank = 0; rank < test.stages; ++rank) expected.push_back(peak_activations(test, rank));
    REQUIRE(facts.peak_activations == expected);
  }
}

TEST_CASE("One stage, and the forwards alone, are schedules too", "[pipeline]") {
  for (const int stages : {1, 2, 4})
    for (const ScheduleCase& test : testing::schedule_cases(stages, 4)) {
      CAPTURE(testing::text(test));
      CHECK_NOTHROW(check_schedule(with_transfers(test.make())));
      const Schedule evaluation = with_transfers(forwards_only(test.make()));
      CHECK(check_schedule(evaluation).peak_activations == std::vector<int>(static_cast<std::size_t>(stages), 0));
    }
}

TEST_CASE("As many transfers as there are boundaries between ranks", "[pipeline]") {
  const int stages = 4, micro_batches = 8;
  const std::map<std::string, int> boundaries{{"gpipe", 3}, {"1f1b", 3}, {"zb_h1", 3}, {"zbv", 6}, {"interleaved", 7}};
  for (const auto& [name, count] : boundaries) {
    const int chunks = name == "zbv" || name == "interleaved" ? 2 : 1;
    std::map<Action, int> counts;
    for (const auto& list : complete(name, stages, chunks, micro_batches).ranks)
      for (const Instruction& instruction : list) ++counts[instruction.action];
    for (const Action action :
         {Action::send_activation, Action::receive_activation, Action::send_gradient, Action::receive_gradient})
      CHECK(counts[action] == count * micro_batches);
  }
}

TEST_CASE("Without any one of its instructions, or with it twice, no schedule passes", "[pipeline]") {
  for (const ScheduleCase& test : testing::schedule_cases(3, 3)) {
    CAPTURE(testing::text(test));
    const Schedule schedule = with_transfers(test.make());
    for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank)
      for (std::size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
        Schedule less = schedule, more = schedule;
        less.ranks[rank].erase(less.ranks[rank].begin() + static_cast<std::ptrdiff_t>(i));
        more.ranks[rank].push_back(more.ranks[rank][i]);
        REQUIRE_THROWS_AS(check_schedule(less), Error);
        REQUIRE_THROWS_AS(check_schedule(more), Error);
      }
  }
}

TEST_CASE("A computation that comes before what it needs is named", "[pipeline]") {
  Schedule schedule = complete("zb_h1", 3, 1, 4);
  SECTION("backward before its forward") {
    swap(schedule.ranks[2], {Action::forward, 0, 0}, {Action::backward_input, 0, 0});
    CHECK_THROWS_WITH(check_schedule(schedule), Contains("rank 2: backward_input of micro-batch 0 does not stand after "
                                                         "forward of micro-batch 0"));
  }
  SECTION("weight part before the input part") {
    swap(schedule.ranks[0], {Action::backward_input, 0, 1}, {Action::backward_weight, 0, 1});
    CHECK_THROWS_WITH(check_schedule(schedule),
                      Contains("rank 0: backward_weight of micro-batch 1 does not stand after "
                               "backward_input of micro-batch 1"));
  }
  SECTION("forward before its activation") {
    swap(schedule.ranks[1], {Action::forward, 0, 0}, {Action::receive_activation, 0, 0});
    CHECK_THROWS_WITH(check_schedule(schedule), Contains("rank 1: forward of micro-batch 0 does not stand after "
                                                         "receive_activation of micro-batch 0"));
  }
  SECTION("send before its tensor") {
    swap(schedule.ranks[1], {Action::forward, 0, 2}, {Action::send_activation, 0, 2});
    CHECK_THROWS_WITH(check_schedule(schedule),
                      Contains("rank 1: send_activation of micro-batch 2 does not stand after "
                               "forward of micro-batch 2"));
  }
}

TEST_CASE("The turn of the V needs no transfer, but its order", "[pipeline]") {
  Schedule schedule = complete("zbv", 2, 2, 3);
  swap(schedule.ranks[1], {Action::forward, 0, 0}, {Action::forward, 1, 0});
  CHECK_THROWS_WITH(check_schedule(schedule),
                    Contains("rank 1: forward of micro-batch 0, chunk 1 does not stand after forward of micro-batch 0, "
                             "chunk 0"));
}

TEST_CASE("A transfer without its other side is named", "[pipeline]") {
  Schedule schedule = complete("1f1b", 2, 1, 2);
  SECTION("dropped send") {
    auto& list = schedule.ranks[0];
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(find(list, Action::send_activation, 0, 1)));
    CHECK_THROWS_WITH(check_schedule(schedule), Contains("rank 0: send_activation of micro-batch 1 is missing"));
  }
  SECTION("dropped receive") {
    auto& list = schedule.ranks[1];
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(find(list, Action::receive_activation, 0, 1)));
    CHECK_THROWS_WITH(check_schedule(schedule), Contains("receive_activation of micro-batch 1"));
  }
  SECTION("nobody is there") {
    schedule.ranks[0].push_back({Action::send_gradient, 0, 0});
    CHECK_THROWS_WITH(check_schedule(schedule), Contains("rank 0: send_gradient of micro-batch 0 has no other rank"));
  }
}

TEST_CASE("Messages of a channel in another order on its two sides are named", "[pipeline]") {
  // With two stages both kinds of transfer go from rank 0 to rank 1.
  Schedule schedule = complete("interleaved", 2, 2, 4);
  swap(schedule.ranks[1], {Action::receive_activation, 0, 3}, {Action::receive_gradient, 0, 0});
  CHECK_THROWS_WITH(check_schedule(schedule), Contains("from rank 0 to rank 1: out of order, "));
}

TEST_CASE("A chunk's micro-batches out of their order are named", "[pipeline]") {
  Schedule schedule = complete("gpipe", 2, 1, 3);
  swap(schedule.ranks[1], {Action::backward, 0, 1}, {Action::backward, 0, 2});
  CHECK_THROWS_WITH(check_schedule(schedule),
                    Contains("rank 1: backward of micro-batch 2 is out of turn: micro-batch 1 is next"));
}

TEST_CASE("Buffers: what is stored and what has come in, of each chunk", "[pipeline]") {
  const auto buffers = check_schedule(complete("1f1b", 3, 1, 8)).buffers;
  const std::vector<int> stored{3, 2, 1}, activations{0, 1, 1}, gradients{1, 1, 0};
  for (std::size_t rank = 0; rank < 3; ++rank) {
    CAPTURE(rank);
    CHECK(buffers[rank][0].stored == stored[rank]);
    CHECK(buffers[rank][0].activations == activations[rank]);
    CHECK(buffers[rank][0].gradients == gradients[rank]);
  }
  for (const ScheduleCase& test : testing::schedule_cases(4, 8)) {
    const ScheduleFacts facts = check_schedule(with_transfers(test.make()));
    for (std::size_t rank = 0; rank < 4; ++rank) {
      int sum = 0;
      for (const ChunkBuffers& chunk : facts.buffers[rank]) sum += chunk.stored;
      CAPTURE(testing::text(test), rank);
      CHECK(sum >= facts.peak_activations[rank]);
      if (test.chunks == 1) CHECK(sum == facts.peak_activations[rank]);
    }
  }
}

TEST_CASE("Two ranks that both send first are a deadlock", "[pipeline]") {
  using enum Action;
  Schedule schedule = complete("1f1b", 2, 1, 2);
  schedule.ranks[0] = {{forward, 0, 0},          {send_activation, 0, 0},  {forward, 0, 1},
                       {send_activation, 0, 1},  {receive_gradient, 0, 0}, {backward, 0, 0},
                       {receive_gradient, 0, 1}, {backward, 0, 1}};
  schedule.ranks[1] = {{receive_activation, 0, 0}, {forward, 0, 0}, {backward, 0, 0}, {send_gradient, 0, 0},
                       {receive_activation, 0, 1}, {forward, 0, 1}, {backward, 0, 1}, {send_gradient, 0, 1}};
  CHECK_THROWS_WITH(check_schedule(schedule),
                    Contains("deadlock, rank 0 in send_activation of micro-batch 1; rank 1 in "
                             "send_gradient of micro-batch 0"));
}

TEST_CASE("Instructions outside of the schedule's numbers are named", "[pipeline]") {
  Schedule schedule = complete("1f1b", 2, 1, 2);
  SECTION("micro-batch") { schedule.ranks[0].push_back({Action::forward, 0, 2}); }
  SECTION("chunk") { schedule.ranks[0].push_back({Action::forward, 1, 0}); }
  CHECK_THROWS_WITH(check_schedule(schedule), Contains("rank 0: forward") && Contains("outside of 1 chunks and 2"));
}

TEST_CASE("A schedule that lacks a rank's list is refused", "[pipeline]") {
  Schedule schedule = complete("1f1b", 2, 1, 2);
  schedule.ranks.pop_back();
  CHECK_THROWS_WITH(check_schedule(schedule), Contains("1 lists for 2 stages"));
}

}  // namespace
}  // namespace ctrain
