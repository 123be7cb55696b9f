// When each computation and transfer of a schedule would run, given what they cost; drawn as text, and as a trace for
// Chrome's and Perfetto's viewer. A rank computes in the order of its list. Transfers overlap with computation: a
// tensor leaves when it is computed, one at a time per channel (an ordered pair of ranks), and what needs it waits for
// it.
#pragma once

#include <string>
#include <vector>

#include "parallel/pipeline/schedule.h"

namespace ctrain {

// Seconds that one part of the model takes for one micro-batch; a whole backward takes the sum of its parts. `transfer`
// is that of the part's output to the next rank, and of its gradient back.
struct PartCosts {
  double forward = 1, backward_input = 1, backward_weight = 1, transfer = 0;
};

struct TimeSpan {
  Instruction instruction;
  double start = 0, end = 0;  // seconds from the start of the step
};

struct Timetable {
  Schedule schedule;
  std::vector<std::vector<TimeSpan>> computations;  // of each rank, in order
  std::vector<std::vector<TimeSpan>> sends, receives;
  double length = 0;  // until the last computation ends

  [[nodiscard]] double busy(int rank) const;
  // Seconds that a rank waits before its first and after its last computation, and between them.
  [[nodiscard]] double ramp(int rank) const;
  [[nodiscard]] double idle_inside(int rank) const;
  // Idle time of all ranks over ranks x length.
  [[nodiscard]] double bubble() const;
};

// `costs` of each position. Needs only the computations in the schedule's lists: its transfers are those that the
// placement implies. A running error, with ranks and instructions, where computations would wait for ever.
[[nodiscard]] Timetable make_timetable(const Schedule& schedule, const std::vector<PartCosts>& costs);

// All parts cost the same.
[[nodiscard]] Timetable make_timetable(const Schedule& schedule, const PartCosts& costs);

// Rows are ranks, columns slots of the shortest computation's time, cut at `width` characters; with a legend.
[[nodiscard]] std::string draw(const Timetable& timetable, int width);

// The Trace Event Format: a process per rank, with a thread each for computations, sends and receives.
[[nodiscard]] std::string chrome_trace(const Timetable& timetable);

}  // namespace ctrain
