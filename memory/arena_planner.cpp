#include "memory/arena_planner.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace ctrain {
namespace {

// An order is repaired so often: the block that stands highest goes first, where it gets a low place. Repairs end
// earlier where blocks are many: after so many comparisons of two of them (a fraction of a second).
constexpr int most_repairs = 30;
constexpr std::int64_t most_comparisons = 4'000'000;

// The blocks that have a place already, by the periods of time in which they live: a block is compared with its
// contemporaries alone, so that hundreds of thousands of short-lived blocks find theirs at once.
class PlacedBlocks {
 public:
  // As many periods as pay off: few blocks are soon compared.
  PlacedBlocks(std::size_t blocks, int steps)
      : lists_(1 + std::clamp<std::size_t>(blocks / 32, 1, 512)),
        heads_(lists_.size()),
        period_length_(steps / static_cast<int>(lists_.size() - 1) + 1) {}

  void clear() {
    for (std::vector<Placed>& list : lists_) list.clear();
  }

  void add(const ArenaBlock& block, std::int64_t offset) {
    const Placed placed{offset, offset + align_up(block.bytes), block.first, block.last};
    const std::size_t first = period_of(block.first), last = period_of(block.last);
    const auto is_below = [](const Placed& a, const Placed& b) { return a.begin < b.begin; };
    const auto insert = [&](std::vector<Placed>& list) {
      list.insert(std::upper_bound(list.begin(), list.end(), placed, is_below), placed);
    };
    if (last - first >= many_periods) return insert(lists_[0]);
    for (std::size_t at = first; at <= last; ++at) insert(lists_[at]);
  }

  // The lowest offset that is free during the block's whole life: from 0 up, past every contemporary that it would
  // still reach into. Each list is gone through once, since the offset only rises.
  [[nodiscard]] std::int64_t lowest_free(const ArenaBlock& block) {
    const std::size_t first = period_of(block.first), last = period_of(block.last);
    heads_[0] = 0;
    for (std::size_t at = first; at <= last; ++at) heads_[at] = 0;
    std::int64_t offset = 0;
    const auto rise_past = [&](std::size_t at) {
      const std::vector<Placed>& list = lists_[at];
      const std::int64_t before = offset;
      std::size_t& head = heads_[at];
      for (; head < list.size() && list[head].begin < offset + align_up(block.bytes); ++head) {
        ++comparisons_;
        const Placed& other = list[head];
        if (other.first <= block.last && block.first <= other.last) offset = std::max(offset, other.end);
      }
      return offset > before;
    };
    for (bool rose = true; rose;) {
      rose = rise_past(0);
      for (std::size_t at = first; at <= last; ++at) rose = rise_past(at) || rose;
    }
    return offset;
  }

  [[nodiscard]] std::int64_t comparisons() const { return comparisons_; }  // so far

 private:
  struct Placed {
    std::int64_t begin, end;  // bytes
    int first, last;          // steps
  };
  static constexpr std::size_t many_periods = 32;
  [[nodiscard]] std::size_t period_of(int step) const { return 1 + static_cast<std::size_t>(step / period_length_); }

  // Of the long-lived blocks, which would be in many periods; then of each period. In the order of places.
  std::vector<std::vector<Placed>> lists_;
  std::vector<std::size_t> heads_;  // how far a search has gone in each
  int period_length_;
  std::int64_t comparisons_ = 0;
};

int step_count(const std::vector<ArenaBlock>& blocks) {
  int steps = 0;
  for (const ArenaBlock& block : blocks) steps = std::max(steps, block.last + 1);
  return steps;
}

// Places the blocks in the given order, each at the lowest offset that is free during its whole life.
std::int64_t first_fit(const std::vector<ArenaBlock>& blocks, const std::vector<int>& order, PlacedBlocks& placed,
                       std::vector<std::int64_t>& offsets) {
  placed.clear();
  std::int64_t peak = 0;
  for (const int i : order) {
    const ArenaBlock& block = blocks[static_cast<std::size_t>(i)];
    const std::int64_t offset = placed.lowest_free(block);
    offsets[static_cast<std::size_t>(i)] = offset;
    placed.add(block, offset);
    peak = std::max(peak, offset + align_up(block.bytes));
  }
  return peak;
}

std::int64_t largest_live_sum(const std::vector<ArenaBlock>& blocks) {
  std::vector<std::int64_t> change(static_cast<std::size_t>(step_count(blocks)) + 1);
  for (const ArenaBlock& block : blocks) {
    change[static_cast<std::size_t>(block.first)] += block.bytes;
    change[static_cast<std::size_t>(block.last) + 1] -= block.bytes;
  }
  std::int64_t live = 0, largest = 0;
  for (const std::int64_t bytes : change) largest = std::max(largest, live += bytes);
  return largest;
}

}  // namespace

ArenaPlan plan_arena(const std::vector<ArenaBlock>& blocks) {
  const auto block = [&](int i) -> const ArenaBlock& { return blocks[static_cast<std::size_t>(i)]; };
  const auto life = [&](int i) { return block(i).last - block(i).first; };
  const std::vector<std::function<bool(int, int)>> orders = {
      [&](int a, int b) { return block(a).bytes > block(b).bytes; },
      [&](int a, int b) { return life(a) != life(b) ? life(a) > life(b) : block(a).bytes > block(b).bytes; },
      [&](int a, int b) { return block(a).first < block(b).first; },
      [&](int a, int b) { return block(a).bytes * (life(a) + 1) > block(b).bytes * (life(b) + 1); },
      [&](int a, int b) { return block(a).last > block(b).last; },
  };
  ArenaPlan best;
  best.lower_bound = largest_live_sum(blocks);
  std::vector<std::int64_t> offsets(blocks.size());
  PlacedBlocks placed(blocks.size(), step_count(blocks));
  const auto attempt = [&](const std::vector<int>& order) {
    const std::int64_t peak = first_fit(blocks, order, placed, offsets);
    if (!best.offsets.empty() && peak >= best.peak) return;
    best.peak = peak;
    best.offsets = offsets;
  };
  const auto good_enough = [&] { return best.peak - best.lower_bound <= best.lower_bound / 100; };
  const auto end = [&](int i) { return offsets[static_cast<std::size_t>(i)] + block(i).bytes; };
  std::vector<int> order(blocks.size());
  for (const auto& before : orders) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), before);
    attempt(order);
    for (int repair = 0; repair < most_repairs && !good_enough(); ++repair) {
      if (placed.comparisons() > most_comparisons) break;
      const auto highest = std::max_element(order.begin(), order.end(), [&](int a, int b) { return end(a) < end(b); });
      std::rotate(order.begin(), highest, highest + 1);
      attempt(order);
    }
    if (good_enough()) break;
  }
  return best;
}

}  // namespace ctrain
