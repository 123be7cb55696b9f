#include "memory/arena_planner.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "ops/philox.h"

namespace ctrain {
namespace {

bool live_together(const ArenaBlock& a, const ArenaBlock& b) { return a.first <= b.last && b.first <= a.last; }

// Everything that any plan must fulfil.
void check_plan(const std::vector<ArenaBlock>& blocks, const ArenaPlan& plan) {
  REQUIRE(plan.offsets.size() == blocks.size());
  std::int64_t end = 0;
  bool aligned = true, disjoint = true;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    aligned = aligned && plan.offsets[i] >= 0 && plan.offsets[i] % arena_alignment == 0;
    end = std::max(end, plan.offsets[i] + blocks[i].bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const bool apart =
          plan.offsets[i] + blocks[i].bytes <= plan.offsets[j] || plan.offsets[j] + blocks[j].bytes <= plan.offsets[i];
      disjoint = disjoint && (apart || !live_together(blocks[i], blocks[j]));
    }
  }
  CHECK(aligned);
  CHECK(disjoint);
  CHECK(end <= plan.peak);
  CHECK(plan.lower_bound <= plan.peak);
}

std::int64_t live_bytes(const std::vector<ArenaBlock>& blocks, int step) {
  std::int64_t sum = 0;
  for (const ArenaBlock& block : blocks)
    if (block.first <= step && step <= block.last) sum += block.bytes;
  return sum;
}

std::vector<ArenaBlock> random_blocks(std::uint64_t key, std::uint64_t count, std::uint64_t steps,
                                      std::uint64_t longest_life) {
  std::vector<ArenaBlock> blocks;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto first = static_cast<int>(random_below(key, 10 + 4 * i, steps));
    const auto life = static_cast<int>(random_below(key, 11 + 4 * i, longest_life));
    const auto bytes = static_cast<std::int64_t>(random_below(key, 12 + 4 * i, 5000));
    blocks.push_back({bytes, first, std::min(first + life, static_cast<int>(steps) - 1)});
  }
  return blocks;
}

TEST_CASE("Random blocks never overlap while both live", "[arena]") {
  for (std::uint64_t round = 0; round < 200; ++round) {
    const std::uint64_t key = random_key(1, "arena", round), steps = 1 + random_below(key, 1, 40);
    const std::vector<ArenaBlock> blocks = random_blocks(key, 1 + random_below(key, 0, 60), steps, steps);
    const ArenaPlan plan = plan_arena(blocks);
    INFO("round " << round);
    check_plan(blocks, plan);
    std::int64_t bound = 0;
    for (int step = 0; step < 40; ++step) bound = std::max(bound, live_bytes(blocks, step));
    CHECK(plan.lower_bound == bound);
  }
}

TEST_CASE("Blocks of thousands of steps never overlap while both live", "[arena]") {
  for (const std::uint64_t longest_life : {5, 500, 5000}) {
    const std::vector<ArenaBlock> blocks = random_blocks(random_key(2, "arena"), 600, 5000, longest_life);
    INFO("lives of up to " << longest_life << " steps");
    check_plan(blocks, plan_arena(blocks));
  }
}

TEST_CASE("An arena of nothing, and of blocks without bytes", "[arena]") {
  CHECK(plan_arena({}).peak == 0);
  const std::vector<ArenaBlock> blocks{{0, 0, 3}, {64, 1, 1}, {0, 1, 1}};
  check_plan(blocks, plan_arena(blocks));
  CHECK(plan_arena(blocks).peak == arena_alignment);
}

TEST_CASE("One step is enough to be live, and to be apart", "[arena]") {
  // Lifetimes are inclusive: a block that ends where another begins keeps its place.
  CHECK(plan_arena({{64, 0, 1}, {64, 1, 2}}).peak == 2 * arena_alignment);
  CHECK(plan_arena({{64, 0, 1}, {64, 2, 3}}).peak == arena_alignment);
}

// Cases in which placing the blocks as they come is far from the best.
TEST_CASE("Orders of placement that are bad alone", "[arena]") {
  constexpr std::int64_t kb = 1024;
  std::vector<ArenaBlock> blocks;
  SECTION("forward and backward: the values of layer i live until its gradient, last made first read") {
    constexpr int layers = 24;
    for (int i = 0; i < layers; ++i) {
      blocks.push_back({(i % 3 + 1) * kb, i, 2 * layers - i});                   // kept for the backward pass
      blocks.push_back({4 * kb, i, i});                                          // a workspace
      blocks.push_back({(i % 2 + 1) * kb, 2 * layers - i, 2 * layers - i + 1});  // a gradient
    }
  }
  SECTION("small blocks that stay, made between large ones that go") {
    for (int i = 0; i < 20; ++i) {
      blocks.push_back({64 * kb, i, i});
      blocks.push_back({kb, i, 20});
    }
  }
  SECTION("growing blocks: none fits where the one before stood") {
    for (int i = 1; i < 30; ++i) blocks.push_back({i * kb, i, i + 1});
  }
  SECTION("shrinking blocks") {
    for (int i = 1; i < 30; ++i) blocks.push_back({(30 - i) * kb, i, i + 1});
  }
  const ArenaPlan plan = plan_arena(blocks);
  check_plan(blocks, plan);
  INFO("peak " << plan.peak << ", lower bound " << plan.lower_bound);
  CHECK(static_cast<double>(plan.peak) <= 1.1 * static_cast<double>(plan.lower_bound));
}

}  // namespace
}  // namespace ctrain
