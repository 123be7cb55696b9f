// How work on a list of tensors is divided among the threads of a rank: as if they were one, in one parallel region.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/cpu/split.h"

namespace ctrain::cpu {

class ListSplit {
 public:
  // Each tensor has `counts` items; ranges of one begin at multiples of `grain`. For `cost` see Split.
  explicit ListSplit(const std::vector<std::int64_t>& counts, std::int64_t cost = 1, std::int64_t grain = 1)
      : counts_(counts), begins_(begins(counts, grain)), split_(begins_.back(), cost, grain) {}

  // Where a tensor's items begin among those of all, and, as if there were one tensor more, where they end.
  [[nodiscard]] std::int64_t begin(std::size_t tensor) const { return begins_[tensor]; }

  // Calls body(tensor, begin, end) for ranges of items that cover all tensors.
  template <typename Body>
  void run(const Body& body) const {
    split_.run([&](int, std::int64_t begin, std::int64_t end) {
      const auto after = std::upper_bound(begins_.begin(), begins_.end(), begin);
      for (auto tensor = static_cast<std::size_t>(after - begins_.begin()) - 1; begin < end; ++tensor) {
        const std::int64_t first = begins_[tensor], items = std::min(end - first, counts_[tensor]);
        if (begin - first < items) body(tensor, begin - first, items);
        begin = begins_[tensor + 1];
      }
    });
  }

 private:
  static std::vector<std::int64_t> begins(const std::vector<std::int64_t>& counts, std::int64_t grain) {
    std::vector<std::int64_t> result{0};
    for (const std::int64_t count : counts) result.push_back(result.back() + round_up(count, grain));
    return result;
  }

  std::vector<std::int64_t> counts_, begins_;
  Split split_;
};

// A split of the elements of flat tensors; its ranges begin at whole vectors.
inline ListSplit split_elements(const std::vector<std::int64_t>& counts) { return ListSplit(counts, 1, lanes); }

}  // namespace ctrain::cpu
