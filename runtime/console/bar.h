// The parts of a progress line that every kind of one has.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "runtime/console/fixed_text.h"

namespace ctrain {

inline constexpr std::chrono::milliseconds redraw_interval{100};                  // on a terminal
inline constexpr std::chrono::seconds shortest_silence{10}, longest_silence{60};  // elsewhere, between two messages

// Fills exactly `width` columns (at least 3): [=====>    ].
template <std::size_t capacity>
void append_bar(FixedText<capacity>& line, double share, std::size_t width) {
  const std::size_t inner = width - 2;
  const auto done = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(inner));
  line.append("[");
  line.append(done, '=');
  if (done < inner) line.append(1, '>');
  line.append(done < inner ? inner - done - 1 : 0, ' ');
  line.append("]");
}

// 0:45 or 1:02:03, and "left".
template <std::size_t capacity>
void append_time_left(FixedText<capacity>& line, std::chrono::seconds left) {
  const auto s = left.count();
  if (s < 3600) line.append("{}:{:02} left", s / 60, s % 60);
  if (s >= 3600) line.append("{}:{:02}:{:02} left", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace ctrain
