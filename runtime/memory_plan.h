// Places for a program's blocks in one arena, from their exact lifetimes; known before anything is allocated.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/program.h"

namespace ctrain {

// The steps, first and last, during which a block holds its place; none where first is -1. A block whose place is taken
// over by another one gives it up one step before.
struct BlockLife {
  int first = -1, last = -1;
};

struct MemoryPlan {
  std::vector<std::int64_t> block_offsets;      // per block; -1 for persistent blocks
  std::vector<BlockLife> lives;                 // per block
  std::vector<std::int64_t> workspace_offsets;  // per step; -1 where the kernel needs none
  std::int64_t arena_bytes = 0;                 // the arena's size: its peak
  std::int64_t lower_bound = 0;                 // the largest sum of live bytes
  std::int64_t parameter_bytes = 0, state_bytes = 0;
  std::int64_t feed_bytes = 0;  // of the blocks that a batch fills, which lie in the arena; each from a line's start on
};

// `workspaces`: bytes that each step's kernel needs beside its operands, 0 for other steps.
[[nodiscard]] MemoryPlan plan_memory(const Program& program, const std::vector<std::size_t>& workspaces);

}  // namespace ctrain
