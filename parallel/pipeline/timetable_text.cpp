// The timetable as text: one line per rank, one column per slot. A computation stands in the slot where it starts and
// is drawn on with dashes; an idle slot is a dot.
#include <algorithm>
#include <cmath>
#include <limits>

#include "parallel/pipeline/timetable.h"

namespace ctrain {
namespace {

char letter(Action action) {
  if (action == Action::forward) return 'F';
  return action == Action::backward_weight ? 'W' : 'B';
}

// "F3", and which chunk where there are several: "F3a".
std::string label(const Schedule& schedule, const Instruction& instruction) {
  std::string result = fmt::format("{}{}", letter(instruction.action), instruction.micro_batch);
  if (schedule.chunks > 1) result += static_cast<char>('a' + instruction.chunk % 26);
  return result;
}

double shortest(const Timetable& timetable) {
  double result = std::numeric_limits<double>::infinity();
  for (const auto& spans : timetable.computations)
    for (const TimeSpan& span : spans)
      if (span.end > span.start) result = std::min(result, span.end - span.start);
  return result;
}

std::string legend(const Schedule& schedule) {
  const auto has = [&](Action action) {
    for (const Instruction& instruction : schedule.ranks.front())
      if (instruction.action == action) return true;
    return false;
  };
  std::string result = "F0: forward of micro-batch 0";
  if (has(Action::backward)) result += ", B0: its backward";
  if (has(Action::backward_input)) result += ", B0: its input gradient, W0: its weight gradients";
  if (schedule.chunks > 1) result += ", a b ...: the rank's chunks";
  return result + ", .: idle";
}

}  // namespace

std::string draw(const Timetable& timetable, int width) {
  const Schedule& schedule = timetable.schedule;
  // A little less than the shortest computation, so that rounding leaves every computation a slot.
  const double slot = shortest(timetable) * (1 - 1e-9);
  const auto column = [&](double time) { return static_cast<std::size_t>(std::llround(time / slot)); };
  const std::size_t cell = 1 + label(schedule, {Action::forward, 0, schedule.micro_batches - 1}).size();
  const std::string last_row = fmt::format("rank {}", schedule.stages - 1);
  const std::size_t head = last_row.size() + 2;
  const std::size_t slots = std::isinf(slot) ? 0 : column(timetable.length);
  const auto room = static_cast<std::size_t>(std::max(width, 0));
  const std::size_t fitting = room > head ? (room - head) / cell : 0, shown = std::min(slots, fitting);

  std::string result;
  for (std::size_t rank = 0; rank < timetable.computations.size(); ++rank) {
    std::string row;
    for (std::size_t i = 0; i < slots; ++i) row += fmt::format("{:<{}}", ".", cell);
    for (const TimeSpan& span : timetable.computations[rank]) {
      if (span.end <= span.start) continue;
      const std::size_t start = column(span.start) * cell, end = column(span.end) * cell;
      const std::string name = label(schedule, span.instruction);
      row.replace(
          start, end - start,
          (end - start > cell ? fmt::format("{:-<{}} ", name, end - start - 1) : fmt::format("{:<{}}", name, cell)));
    }
    row.resize(shown * cell);
    row.erase(row.find_last_not_of(' ') + 1);
    result += fmt::format("{:<{}}{}\n", fmt::format("rank {}", rank), head, row);
  }
  result += legend(schedule);
  if (shown < slots) result += fmt::format("; {} of {} slots shown", shown, slots);
  return result + "\n";
}

}  // namespace ctrain
