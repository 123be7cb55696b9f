// The timetable: bubbles as the formulas say, other costs, the drawing and the trace.
#include "parallel/pipeline/timetable.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "memory/error.h"
#include "parallel/pipeline/transfers.h"
#include "tests/parallel/pipeline/schedules.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using testing::ScheduleCase;

constexpr PartCosts unit;

// The idle time of a rank in one step with unit costs (a whole backward is 2), by the closed formulas.
int idle(const ScheduleCase& test) {
  const int stages = test.stages, m = test.micro_batches;
  if (test.name == "zb_h1") return std::max(stages - 1, 2 * (stages - 1) - (m - 1));
  if (test.name == "zbv") return std::max(stages - 1, 4 * (stages - 1) - 2 * (m - 1));
  return 3 * (stages - 1);
}

TEST_CASE("The bubble of every schedule is its formula's", "[pipeline]") {
  for (const ScheduleCase& test : testing::all_schedule_cases()) {
    CAPTURE(testing::text(test));
    const Timetable table = make_timetable(test.make(), unit);
    const int work = 3 * test.chunks * test.micro_batches;
    REQUIRE(table.length == work + idle(test));
    // Which holds only where every rank does all of its work.
    REQUIRE(table.bubble() == Approx(static_cast<double>(idle(test)) / (work + idle(test))));
    if (test.name == "gpipe" || test.name == "1f1b" || test.name == "interleaved") {
      const int m = test.chunks * test.micro_batches;
      REQUIRE(table.bubble() == Approx((test.stages - 1.0) / (m + test.stages - 1)));
    }
  }
}

TEST_CASE("From 2 P micro-batches on ZBV has no idle time between a rank's first and last computation", "[pipeline]") {
  for (int stages = 2; stages <= 16; ++stages)
    for (int micro_batches = 2 * stages; micro_batches <= 64; ++micro_batches) {
      const Timetable table = make_timetable(make_schedule("zbv", stages, 2, micro_batches), unit);
      for (int rank = 0; rank < stages; ++rank) {
        REQUIRE(table.idle_inside(rank) == 0);
        REQUIRE(table.ramp(rank) == stages - 1);
        REQUIRE(table.computations[static_cast<std::size_t>(rank)].front().start == rank);
      }
    }
}

TEST_CASE("Transfers in the lists change no time, and every one of them is in the timetable", "[pipeline]") {
  for (const ScheduleCase& test : testing::schedule_cases(4, 8)) {
    CAPTURE(testing::text(test));
    const Schedule schedule = with_transfers(test.make());
    const Timetable table = make_timetable(schedule, unit);
    CHECK(table.length == make_timetable(test.make(), unit).length);
    for (std::size_t rank = 0; rank < 4; ++rank)
      CHECK(table.computations[rank].size() + table.sends[rank].size() + table.receives[rank].size() ==
            schedule.ranks[rank].size());
  }
}

TEST_CASE("A transfer takes its time, and a channel one tensor at a time", "[pipeline]") {
  const Schedule schedule = make_schedule("gpipe", 2, 1, 2);
  const Timetable quick = make_timetable(schedule, {1, 1, 1, 0.5});
  CHECK(quick.computations[1][0].start == 1.5);
  CHECK(quick.computations[1][1].start == 2.5);
  CHECK(quick.length == 9 + 2 * 0.5);
  const Timetable slow = make_timetable(schedule, {1, 1, 1, 3});
  CHECK(slow.computations[1][0].start == 4);
  CHECK(slow.computations[1][1].start == 7);  // the second waits for the first to be through
  CHECK(slow.sends[0][1].start == 4);
  CHECK(slow.receives[1][1].end == 7);
}

TEST_CASE("Parts of different costs: the heaviest sets the pace", "[pipeline]") {
  const Schedule schedule = make_schedule("1f1b", 2, 1, 50);
  const Timetable table = make_timetable(schedule, {{1, 1, 1, 0}, {2, 2, 2, 0}});
  CHECK(table.busy(1) == 300);
  CHECK(table.length == 1 + 300 + 2);
  CHECK(table.ramp(1) == 3);
  CHECK(table.idle_inside(1) == 0);
  CHECK_THROWS_WITH(make_timetable(schedule, std::vector<PartCosts>(3)), Contains("costs of 3 parts for 2"));
}

TEST_CASE("What would wait for ever is named", "[pipeline]") {
  Schedule schedule = make_schedule("1f1b", 2, 1, 2);
  std::swap(schedule.ranks[1][0], schedule.ranks[1][1]);
  CHECK_THROWS_WITH(
      make_timetable(schedule, unit),
      Contains("waits for ever, rank 0 in backward of micro-batch 0; rank 1 in backward of micro-batch 0"));
  schedule.ranks[1][0].chunk = 1;
  CHECK_THROWS_AS(make_timetable(schedule, unit), Error);
}

TEST_CASE("The drawing of 1F1B", "[pipeline]") {
  const std::string expected =
      "rank 0  F0 F1 .  .  B0--- .  B1---\n"
      "rank 1  .  F0 B0--- F1 B1--- .  .\n";
  const std::string drawn = draw(make_timetable(make_schedule("1f1b", 2, 1, 2), unit), 80);
  CHECK(drawn.substr(0, drawn.find("F0:")) == expected);
  CHECK_THAT(drawn, Contains("F0: forward of micro-batch 0, B0: its backward, .: idle\n"));
}

TEST_CASE("The drawing names the chunks, and the two parts of a backward", "[pipeline]") {
  const std::string drawn = draw(make_timetable(make_schedule("zbv", 2, 2, 4), unit), 400);
  CHECK_THAT(drawn, Contains("rank 0  F0a F1a F2a F0b B0b W0b ") && Contains("rank 1  .   F0a F0b "));
  CHECK_THAT(drawn, Contains("B0: its input gradient, W0: its weight gradients") && Contains("chunks"));
}

TEST_CASE("The drawing is cut at its width", "[pipeline]") {
  const Timetable table = make_timetable(make_schedule("1f1b", 4, 1, 100), unit);
  const std::string drawn = draw(table, 60);
  std::size_t start = 0;
  for (int rank = 0; rank < 4; ++rank) {
    const std::size_t end = drawn.find('\n', start);
    CHECK(end - start <= 60);
    start = end + 1;
  }
  CHECK_THAT(drawn, Contains("13 of 309 slots shown"));
  CHECK_NOTHROW(draw(table, 0));
  CHECK_NOTHROW(draw(make_timetable(make_schedule("zb_h1", 4, 1, 9), {0.37, 0.41, 0.293, 0.01}), 200));
}

TEST_CASE("The trace has every computation and both sides of every transfer", "[pipeline]") {
  const Schedule schedule = with_transfers(make_schedule("zbv", 3, 2, 6));
  const Timetable table = make_timetable(schedule, {0.5, 0.25, 0.125, 0.0625});
  const auto trace = nlohmann::json::parse(chrome_trace(table));
  std::vector<std::size_t> counts(3);
  double end = 0;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    ++counts[event["pid"].get<std::size_t>()];
    end = std::max(end, event["ts"].get<double>() + event["dur"].get<double>());
    if (event["cat"] == "backward_weight") CHECK(event["dur"] == 125000);
    if (event["cat"] == "send_gradient") CHECK(event["tid"] == 1);
  }
  for (std::size_t rank = 0; rank < 3; ++rank) CHECK(counts[rank] == schedule.ranks[rank].size());
  CHECK(end == table.length * 1e6);
}

}  // namespace
}  // namespace ctrain
