#include "parallel/program.h"

#include <algorithm>

namespace ctrain {

std::int64_t Block::bytes() const { return operand.elements() * static_cast<std::int64_t>(size_of(operand.dtype)); }

const Segment& Program::segment_of(std::size_t step) const {
  const auto after = std::upper_bound(segments.begin(), segments.end(), step,
                                      [](std::size_t i, const Segment& segment) { return i < segment.first; });
  return *std::prev(after);
}

std::size_t Program::first(Phase phase) const {
  const auto found =
      std::find_if(segments.begin(), segments.end(), [&](const Segment& segment) { return segment.phase == phase; });
  return found == segments.end() ? steps.size() : found->first;
}

}  // namespace ctrain
