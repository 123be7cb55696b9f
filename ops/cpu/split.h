// How a kernel's work is divided among the threads of its rank: into contiguous ranges, fixed when the kernel is made,
// so that sums are added in the same order every time. A rank's thread sets its number of OpenMP threads before it
// makes kernels.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "ops/cpu/vectors.h"

namespace ctrain::cpu {

class Split {
 public:
  // Ranges of [0, count) that begin at multiples of `grain`, one per thread, or fewer where there is little to do:
  // `cost` is what one item costs, in elements read.
  explicit Split(std::int64_t count, std::int64_t cost = 1, std::int64_t grain = 1) : count_(count) {
    const std::int64_t wanted = std::min<std::int64_t>(omp_get_max_threads(), count * cost / least_elements);
    length_ = round_up(count, std::max<std::int64_t>(wanted, 1));
    length_ = round_up(length_ / std::max<std::int64_t>(wanted, 1), grain);
    parts_ = length_ == 0 ? 0 : static_cast<int>((count + length_ - 1) / length_);
  }
  [[nodiscard]] int parts() const { return parts_; }

  // Calls body(part, begin, end) for each range.
  template <typename Body>
  void run(const Body& body) const {
    const auto range = [&](int part) { body(part, part * length_, std::min((part + 1) * length_, count_)); };
    if (parts_ == 1) {
      range(0);
      return;
    }
#pragma omp parallel for schedule(static, 1) num_threads(parts_)
    for (int part = 0; part < parts_; ++part) range(part);
  }

 private:
  static constexpr std::int64_t least_elements = 4096;  // for a thread; waking it costs as much as a few thousand

  std::int64_t count_, length_ = 0;
  int parts_ = 0;
};

// A split of a flat tensor; its ranges begin at whole vectors.
inline Split split_elements(std::int64_t count) { return Split(count, 1, lanes); }

}  // namespace ctrain::cpu
