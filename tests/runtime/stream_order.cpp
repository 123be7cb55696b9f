#include "runtime/stream_order.h"

#include <catch2/catch.hpp>

namespace ctrain {
namespace {

std::byte arena[64];

Interval bytes(int begin, int end) { return {arena + begin, arena + end}; }

using Waits = std::vector<std::vector<std::size_t>>;

TEST_CASE("A step waits for the latest step of the other stream that it depends on, once") {
  const std::vector<StepMemory> steps = {
      {0, {}, {bytes(0, 8)}},                // 0 writes a
      {0, {}, {bytes(8, 16)}},               // 1 writes b
      {1, {bytes(0, 8)}, {bytes(16, 24)}},   // 2 sends a
      {1, {bytes(8, 16)}, {bytes(24, 32)}},  // 3 sends b
      {0, {bytes(0, 8)}, {bytes(32, 40)}},   // 4 reads a as 2 does: no wait
      {0, {bytes(16, 24)}, {}},              // 5 reads what 2 brought
      {0, {bytes(24, 32)}, {}},              // 6 reads what 3 brought
      {0, {bytes(16, 32)}, {}},              // 7 has both by now
  };
  CHECK(cross_stream_waits(steps, 2) == Waits{{}, {}, {0}, {1}, {}, {2}, {3}, {}});
}

TEST_CASE("Memory that is used again is waited for as well") {
  const std::vector<StepMemory> steps = {
      {0, {}, {bytes(0, 8)}},   // 0 writes
      {1, {bytes(0, 8)}, {}},   // 1 sends it
      {0, {}, {bytes(4, 12)}},  // 2 writes over a part of it
      {1, {}, {bytes(8, 16)}},  // 3 receives over that
  };
  CHECK(cross_stream_waits(steps, 2) == Waits{{}, {0}, {1}, {2}});
}

}  // namespace
}  // namespace ctrain
