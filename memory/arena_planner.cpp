#include "memory/arena_planner.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace ctrain {
namespace {

// An order is repaired so often: the block that stands highest goes first, where it gets a low place.
constexpr int most_repairs = 30;

// Places the blocks in the given order, each at the lowest offset that is free during its whole life.
std::int64_t first_fit(const std::vector<ArenaBlock>& blocks, const std::vector<int>& order,
                       std::vector<std::int64_t>& offsets) {
  std::vector<int> placed;  // by offset
  std::int64_t peak = 0;
  for (const int i : order) {
    const ArenaBlock& block = blocks[static_cast<std::size_t>(i)];
    const std::int64_t size = align_up(block.bytes);
    std::int64_t offset = 0;
    for (const int j : placed) {
      const ArenaBlock& other = blocks[static_cast<std::size_t>(j)];
      if (other.last < block.first || block.last < other.first) continue;
      const std::int64_t other_offset = offsets[static_cast<std::size_t>(j)];
      if (offset + size <= other_offset) break;
      offset = std::max(offset, other_offset + align_up(other.bytes));
    }
    offsets[static_cast<std::size_t>(i)] = offset;
    const auto later = [&](int a, int b) {
      return offsets[static_cast<std::size_t>(a)] < offsets[static_cast<std::size_t>(b)];
    };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i, later), i);
    peak = std::max(peak, offset + size);
  }
  return peak;
}

std::int64_t largest_live_sum(const std::vector<ArenaBlock>& blocks) {
  int steps = 0;
  for (const ArenaBlock& block : blocks) steps = std::max(steps, block.last + 1);
  std::vector<std::int64_t> change(static_cast<std::size_t>(steps) + 1);
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
  const auto attempt = [&](const std::vector<int>& order) {
    const std::int64_t peak = first_fit(blocks, order, offsets);
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
      const auto highest = std::max_element(order.begin(), order.end(), [&](int a, int b) { return end(a) < end(b); });
      std::rotate(order.begin(), highest, highest + 1);
      attempt(order);
    }
    if (good_enough()) break;
  }
  return best;
}

}  // namespace ctrain
