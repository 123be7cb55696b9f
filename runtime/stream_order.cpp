#include "runtime/stream_order.h"

#include <algorithm>

namespace ctrain {
namespace {

bool overlap(const std::vector<Interval>& a, const std::vector<Interval>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Interval& x) {
    return std::any_of(b.begin(), b.end(), [&](const Interval& y) { return x.begin < y.end && y.begin < x.end; });
  });
}

bool depends(const StepMemory& later, const StepMemory& earlier) {
  return overlap(later.reads, earlier.writes) || overlap(later.writes, earlier.writes) ||
         overlap(later.writes, earlier.reads);
}

}  // namespace

std::vector<std::vector<std::size_t>> cross_stream_waits(const std::vector<StepMemory>& steps, int streams) {
  const auto count = static_cast<std::size_t>(streams);
  std::vector<std::vector<std::size_t>> positions(count), waits(steps.size());
  // How many of the other stream's steps a stream has already waited for.
  std::vector<std::vector<std::size_t>> waited(count, std::vector<std::size_t>(count, 0));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto own = static_cast<std::size_t>(steps[i].stream);
    for (std::size_t other = 0; other < count; ++other) {
      if (other == own) continue;
      std::size_t& known = waited[own][other];
      for (std::size_t k = positions[other].size(); k > known; --k) {
        if (!depends(steps[i], steps[positions[other][k - 1]])) continue;
        waits[i].push_back(positions[other][k - 1]);
        known = k;
        break;
      }
    }
    positions[own].push_back(i);
  }
  return waits;
}

}  // namespace ctrain
