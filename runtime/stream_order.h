// Which steps of a program must wait for steps of another stream: those that touch the same memory, where one of the
// two writes. Within a stream the order of the program holds by itself.
#pragma once

#include <cstddef>
#include <vector>

namespace ctrain {

struct Interval {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
};

struct StepMemory {
  int stream = 0;
  std::vector<Interval> reads, writes;
};

// For each step the steps of other streams that it waits for, at most one per stream: the latest that it depends on and
// that no earlier step of its own stream has waited for. `streams` is their number.
[[nodiscard]] std::vector<std::vector<std::size_t>> cross_stream_waits(const std::vector<StepMemory>& steps,
                                                                       int streams);

}  // namespace ctrain
