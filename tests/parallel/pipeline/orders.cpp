// The orders of computations that Colossal-AI documents, and what a schedule refuses.
#include <catch2/catch.hpp>

#include "memory/error.h"
#include "parallel/pipeline/schedule.h"
#include "tests/parallel/pipeline/schedules.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;

// "F0 F1 B0 ...", with the chunk where there are several: "F0.1".
std::string order(const Schedule& schedule, std::size_t rank) {
  std::string result;
  for (const Instruction& instruction : schedule.ranks[rank]) {
    if (!result.empty()) result += ' ';
    const Action action = instruction.action;
    result += action == Action::forward           ? 'F'
              : action == Action::backward        ? 'B'
              : action == Action::backward_input  ? 'I'
              : action == Action::backward_weight ? 'W'
                                                  : '?';
    result += std::to_string(instruction.micro_batch);
    if (schedule.chunks > 1) result += '.' + std::to_string(instruction.chunk);
  }
  return result;
}

std::vector<int> warm_ups(int stages, int micro_batches) {
  std::vector<int> result;
  for (int rank = 0; rank < stages; ++rank) result.push_back(warm_up(stages, rank, micro_batches));
  return result;
}

std::vector<int> interleaved_warm_ups(int stages, int chunks, int micro_batches) {
  std::vector<int> result;
  for (int rank = 0; rank < stages; ++rank) result.push_back(interleaved_warm_up(stages, rank, chunks, micro_batches));
  return result;
}

TEST_CASE("Warm-up counts of 1F1B", "[pipeline]") {
  CHECK(warm_ups(4, 8) == std::vector<int>{3, 2, 1, 0});
  CHECK(warm_ups(4, 4) == std::vector<int>{3, 2, 1, 0});
  CHECK(warm_ups(4, 2) == std::vector<int>{2, 2, 1, 0});
  CHECK(warm_ups(4, 1) == std::vector<int>{1, 1, 1, 0});
}

TEST_CASE("Warm-up counts of the interleaved schedule", "[pipeline]") {
  CHECK(interleaved_warm_ups(4, 2, 8) == std::vector<int>{10, 8, 6, 4});
  CHECK(interleaved_warm_ups(2, 2, 4) == std::vector<int>{4, 2});
  CHECK(interleaved_warm_ups(2, 2, 2) == std::vector<int>{4, 4});  // all forwards first
}

TEST_CASE("Orders", "[pipeline]") {
  CHECK(order(make_schedule("gpipe", 2, 1, 3), 1) == "F0 F1 F2 B0 B1 B2");
  const Schedule one = make_schedule("1f1b", 3, 1, 4);
  CHECK(order(one, 0) == "F0 F1 F2 B0 F3 B1 B2 B3");
  CHECK(order(one, 1) == "F0 F1 B0 F2 B1 F3 B2 B3");
  CHECK(order(one, 2) == "F0 B0 F1 B1 F2 B2 F3 B3");
  const Schedule h1 = make_schedule("zb_h1", 3, 1, 4);
  CHECK(order(h1, 0) == "F0 F1 F2 I0 W0 F3 I1 W1 I2 W2 I3 W3");
  CHECK(order(h1, 2) == "F0 I0 F1 I1 F2 I2 W0 F3 I3 W1 W2 W3");
}

TEST_CASE("Order of the chunks, interleaved", "[pipeline]") {
  const Schedule schedule = make_schedule("interleaved", 2, 2, 4);
  CHECK(order(schedule, 0) == "F0.0 F1.0 F0.1 F1.1 F2.0 B0.1 F3.0 B1.1 F2.1 B0.0 F3.1 B1.0 B2.1 B3.1 B2.0 B3.0");
  for (std::size_t rank = 0; rank < 2; ++rank) {
    std::vector<int> forwards, backwards;
    for (const Instruction& instruction : schedule.ranks[rank])
      (instruction.action == Action::forward ? forwards : backwards).push_back(instruction.chunk);
    CHECK(forwards == std::vector<int>{0, 0, 1, 1, 0, 0, 1, 1});
    CHECK(backwards == std::vector<int>{1, 1, 0, 0, 1, 1, 0, 0});
  }
}

TEST_CASE("ZBV over two ranks", "[pipeline]") {
  const Schedule schedule = make_schedule("zbv", 2, 2, 3);
  CHECK(order(schedule, 0) ==
        "F0.0 F1.0 F2.0 F0.1 I0.1 W0.1 F1.1 I1.1 W1.1 I0.0 W0.0 F2.1 I2.1 W2.1 I1.0 W1.0 I2.0 W2.0");
  CHECK(order(schedule, 1) ==
        "F0.0 F0.1 F1.0 F1.1 I0.1 W0.1 F2.0 I0.0 W0.0 F2.1 I1.1 W1.1 I1.0 I2.1 I2.0 W1.0 W2.1 W2.0");
}

TEST_CASE("Placement: a loop, and the V whose ends meet on the first rank", "[pipeline]") {
  for (const auto& [name, ranks] :
       {std::pair<std::string, std::vector<int>>{"interleaved", {0, 1, 2, 0, 1, 2}}, {"zbv", {0, 1, 2, 2, 1, 0}}}) {
    const Schedule schedule = make_schedule(name, 3, 2, 3);
    for (int position = 0; position < 6; ++position) {
      const Place place = schedule.place(position);
      CHECK(place.rank == ranks[static_cast<std::size_t>(position)]);
      CHECK(place.chunk == position / 3);
      CHECK(schedule.position(place) == position);
    }
    CHECK_FALSE(schedule.neighbour(schedule.place(0), -1));
    CHECK_FALSE(schedule.neighbour(schedule.place(5), +1));
  }
}

TEST_CASE("Every schedule sums the gradients of a chunk in the order of the micro-batches", "[pipeline]") {
  for (const testing::ScheduleCase& test : testing::schedule_cases(4, 8)) {
    CAPTURE(testing::text(test));
    for (const auto& list : test.make().ranks) {
      std::vector<int> next(static_cast<std::size_t>(test.chunks));
      for (const Instruction& instruction : list)
        if (instruction.action == Action::backward || instruction.action == Action::backward_weight)
          CHECK(instruction.micro_batch == next[static_cast<std::size_t>(instruction.chunk)]++);
    }
  }
}

TEST_CASE("A schedule refuses what it does not take, with the nearest that it does", "[pipeline]") {
  CHECK_THROWS_WITH(make_schedule("1f2b", 2, 1, 4),
                    Contains("'1f2b': expected one of 1f1b, gpipe, interleaved, zb_h1, zbv"));
  CHECK_THROWS_WITH(make_schedule("interleaved", 4, 2, 6), Contains("6 micro-batches") && Contains("nearest 4 and 8"));
  CHECK_THROWS_WITH(make_schedule("interleaved", 4, 2, 3), Contains("nearest 4"));
  CHECK_THROWS_WITH(make_schedule("interleaved", 4, 1, 4), Contains("1 chunks") && Contains("2 or more"));
  CHECK_THROWS_WITH(make_schedule("zbv", 4, 3, 4), Contains("3 chunks") && Contains("zbv has 2"));
  CHECK_THROWS_WITH(make_schedule("1f1b", 4, 2, 4), Contains("2 chunks") && Contains("1f1b has 1"));
  CHECK_THROWS_WITH(make_schedule("gpipe", 0, 1, 4), Contains("0 stages"));
  CHECK_THROWS_WITH(make_schedule("gpipe", 2, 1, 0), Contains("0 micro-batches"));
  try {
    (void)make_schedule("interleaved", 4, 2, 6);
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
  }
}

}  // namespace
}  // namespace ctrain
