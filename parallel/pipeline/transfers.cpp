#include "parallel/pipeline/transfers.h"

#include <algorithm>
#include <tuple>

#include "parallel/pipeline/timetable.h"

namespace ctrain {
namespace {

struct Event {
  double time = 0;
  bool computes = false;  // a transfer comes first: what starts at that time may need it
  int rank = 0;
  Instruction instruction;
};

}  // namespace

Schedule with_transfers(const Schedule& computations) {
  const Timetable table = make_timetable(computations, PartCosts{});
  std::vector<Event> events;
  for (int rank = 0; rank < computations.stages; ++rank) {
    const auto at = static_cast<std::size_t>(rank);
    for (const TimeSpan& span : table.computations[at]) events.push_back({span.start, true, rank, span.instruction});
    for (const TimeSpan& span : table.sends[at]) events.push_back({span.start, false, rank, span.instruction});
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.time, a.computes) < std::tie(b.time, b.computes);
  });
  Schedule result = computations;
  for (std::vector<Instruction>& list : result.ranks) list.clear();
  for (const Event& event : events) {
    result.ranks[static_cast<std::size_t>(event.rank)].push_back(event.instruction);
    if (event.computes) continue;
    const std::optional<Counterpart> receive = counterpart(computations, event.rank, event.instruction);
    result.ranks[static_cast<std::size_t>(receive->rank)].push_back(receive->instruction);
  }
  return result;
}

}  // namespace ctrain
