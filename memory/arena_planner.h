// Offsets in one arena for blocks whose lifetimes are known exactly (memory is planned, never allocated in a step).
// Blocks whose lifetimes overlap get disjoint byte ranges. The problem is dynamic storage allocation; the planner runs
// first-fit over several orders of placement (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
// Inference", 2020, compare such orders), repairs them, and keeps the best; it stops where it is within 1 % of the
// lower bound.
#pragma once

#include <cstdint>
#include <vector>

namespace ctrain {

struct ArenaBlock {
  std::int64_t bytes = 0;
  int first = 0, last = 0;  // steps at which the block is live, both inclusive
};

struct ArenaPlan {
  std::vector<std::int64_t> offsets;  // in the order of the blocks; multiples of the alignment
  std::int64_t peak = 0;              // bytes that the arena needs
  std::int64_t lower_bound = 0;       // the largest sum of live bytes at any step: no plan can need less
};

// What cuBLASLt asks of its workspace, and prefers of matrices; cudaMalloc's and mmap's memory begins at such
// multiples.
inline constexpr std::int64_t arena_alignment = 256;
[[nodiscard]] constexpr std::int64_t align_up(std::int64_t bytes) {
  return (bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
}

[[nodiscard]] ArenaPlan plan_arena(const std::vector<ArenaBlock>& blocks);

}  // namespace ctrain
