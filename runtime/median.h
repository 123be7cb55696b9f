#pragma once

#include <algorithm>
#include <vector>

namespace ctrain {

// The middle of an odd number of values, the upper one of the two in the middle of an even number; not of none.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace ctrain
