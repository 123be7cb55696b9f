#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "memory/arena_planner.h"
#include "memory/error.h"

namespace ctrain {
namespace {

std::vector<BlockId> blocks_of(const Step& step) {
  std::vector<BlockId> ids;
  if (const auto* local = std::get_if<LocalStep>(&step)) {
    ids = local->inputs;
    ids.insert(ids.end(), local->outputs.begin(), local->outputs.end());
  } else if (const auto* copy = std::get_if<CopyStep>(&step)) {
    ids = {copy->input, copy->output};
  } else {
    const auto& collective = std::get<CollectiveStep>(step);
    ids = {collective.input, collective.output};
  }
  std::erase(ids, -1);
  return ids;
}

bool in_arena(const Block& block) {
  return block.storage == Block::Storage::arena || block.storage == Block::Storage::feed;
}

std::vector<BlockLife> lifetimes(const Program& program) {
  std::vector<BlockLife> lives(program.blocks.size());
  for (int i = 0; i < static_cast<int>(program.steps.size()); ++i)
    for (const BlockId id : blocks_of(program.steps[static_cast<std::size_t>(i)])) {
      BlockLife& life = lives[static_cast<std::size_t>(id)];
      if (life.first < 0) life.first = i;
      life.last = i;
    }
  const int end = static_cast<int>(program.steps.size());
  for (std::size_t id = 0; id < lives.size(); ++id) {
    const Block& block = program.blocks[id];
    if (block.storage == Block::Storage::feed) lives[id] = {0, std::max(lives[id].last, 0)};
    if (block.keep) lives[id] = {std::max(lives[id].first, 0), end};
  }
  return lives;
}

// The operand whose memory the step's output may take: one that the kernel reads element by element before writing.
BlockId overwritten(const Step& step) {
  if (const auto* local = std::get_if<LocalStep>(&step)) {
    const int operand = local->node.overwrites;
    return operand < 0 ? -1 : local->inputs[static_cast<std::size_t>(operand)];
  }
  const auto* collective = std::get_if<CollectiveStep>(&step);
  return collective != nullptr && collective->collective == Collective::all_reduce ? collective->input : -1;
}

BlockId overwriting(const Step& step) {
  if (const auto* local = std::get_if<LocalStep>(&step))
    return local->outputs[static_cast<std::size_t>(local->node.overwriting)];
  return std::get<CollectiveStep>(step).output;
}

}  // namespace

MemoryPlan plan_memory(const Program& program, const std::vector<std::size_t>& workspaces) {
  MemoryPlan plan;
  plan.lives = lifetimes(program);

  // Blocks that share a place: an output takes over the operand that dies where it is made.
  std::vector<BlockId> place(program.blocks.size());
  std::iota(place.begin(), place.end(), 0);
  for (int i = 0; i < static_cast<int>(program.steps.size()); ++i) {
    const Step& step = program.steps[static_cast<std::size_t>(i)];
    const BlockId from = overwritten(step);
    if (from < 0) continue;
    const BlockId to = overwriting(step);
    const Block &source = program.blocks[static_cast<std::size_t>(from)],
                &target = program.blocks[static_cast<std::size_t>(to)];
    BlockLife& life = plan.lives[static_cast<std::size_t>(from)];
    const bool dies = life.last == i && plan.lives[static_cast<std::size_t>(to)].first == i;
    if (!dies || !in_arena(source) || !in_arena(target) || source.bytes() != target.bytes()) continue;
    place[static_cast<std::size_t>(to)] = place[static_cast<std::size_t>(from)];
    life.last = i - 1;
  }

  for (const FeedBlock& feed : program.feeds)
    plan.feed_bytes += align_up(program.blocks[static_cast<std::size_t>(feed.block)].bytes());

  std::vector<ArenaBlock> arena_blocks;
  std::vector<int> arena_index(program.blocks.size(), -1);
  plan.block_offsets.assign(program.blocks.size(), -1);
  for (std::size_t id = 0; id < program.blocks.size(); ++id) {
    const Block& block = program.blocks[id];
    if (!block.is_held) continue;
    if (block.storage == Block::Storage::parameter) plan.parameter_bytes += align_up(block.bytes());
    if (block.storage == Block::Storage::state) plan.state_bytes += align_up(block.bytes());
    const BlockLife& life = plan.lives[id];
    if (!in_arena(block) || life.first < 0) continue;
    int& index = arena_index[static_cast<std::size_t>(place[id])];
    if (index < 0) {
      index = static_cast<int>(arena_blocks.size());
      arena_blocks.push_back({block.bytes(), life.first, life.last});
    }
    ArenaBlock& shared = arena_blocks[static_cast<std::size_t>(index)];
    shared.first = std::min(shared.first, life.first);
    shared.last = std::max(shared.last, life.last);
  }
  const std::size_t first_workspace = arena_blocks.size();
  plan.workspace_offsets.assign(program.steps.size(), -1);
  for (int i = 0; i < static_cast<int>(workspaces.size()); ++i)
    if (workspaces[static_cast<std::size_t>(i)] > 0)
      arena_blocks.push_back({static_cast<std::int64_t>(workspaces[static_cast<std::size_t>(i)]), i, i});

  const ArenaPlan arena = plan_arena(arena_blocks);
  plan.arena_bytes = arena.peak;
  plan.lower_bound = arena.lower_bound;
  for (std::size_t id = 0; id < program.blocks.size(); ++id)
    if (const int index = arena_index[static_cast<std::size_t>(place[id])]; index >= 0 && in_arena(program.blocks[id]))
      plan.block_offsets[id] = arena.offsets[static_cast<std::size_t>(index)];
  std::size_t next = first_workspace;
  for (std::size_t i = 0; i < workspaces.size(); ++i)
    if (workspaces[i] > 0) plan.workspace_offsets[i] = arena.offsets[next++];
  return plan;
}

}  // namespace ctrain
