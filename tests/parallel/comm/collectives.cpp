// What `local` delivers, against sums that one thread forms in the order of the members.
#include <catch2/catch.hpp>

#include <algorithm>

#include "memory/allocation_counter.h"
#include "parallel/comm/communicator.h"
#include "tests/support/collective_script.h"
#include "tests/support/run_ranks.h"

using namespace ctrain;

namespace {

template <typename T>
T reduced(int n, std::int64_t i, Reduction reduction) {
  Wide<T> total = script_value<T>(0, i);  // rounded once
  for (int member = 1; member < n; ++member) {
    const Wide<T> value = script_value<T>(member, i);
    total = reduction == Reduction::sum ? total + value : std::max(total, value);
  }
  return total;
}

// What member `rank` of `n` holds after the calls of append_script, one call after the other.
template <typename T>
void append_expected(int n, int rank, std::int64_t count, std::vector<std::byte>& log) {
  const auto keep = [&](std::int64_t elements, auto element) {
    for (std::int64_t i = 0; i < elements; ++i) {
      const T value = element(i);
      const auto* bytes = reinterpret_cast<const std::byte*>(&value);
      log.insert(log.end(), bytes, bytes + sizeof(T));
    }
  };
  keep(n * count, [&](std::int64_t i) { return script_value<T>(static_cast<int>(i / count), i % count); });
  keep(n * count,
       [&](std::int64_t i) { return script_value<T>(static_cast<int>(i / count), rank * count + i % count); });
  keep(count, [&](std::int64_t i) { return script_value<T>((rank + n - 1) % n, i); });
  for (const Reduction reduction : {Reduction::sum, Reduction::max}) {
    const auto whole = [&](std::int64_t i) { return reduced<T>(n, i, reduction); };
    keep(count, whole);
    keep(count, [&](std::int64_t i) { return reduced<T>(n, rank * count + i, reduction); });
    keep(count, whole);
    keep(count, whole);  // as the root of one reduce
  }
  for (int root = 0; root < n; ++root) keep(count, [&](std::int64_t i) { return script_value<T>(root, i); });
}

}  // namespace

TEST_CASE("every collective gives every member the bits of a serial ordered sum") {
  const int n = GENERATE(1, 2, 3, 4, 5);
  const std::int64_t longest = 5003;
  std::vector<std::vector<std::byte>> logs(static_cast<std::size_t>(n));
  run_ranks(n, [&](Communicator& world) {
    logs[static_cast<std::size_t>(world.rank())] = run_collective_script(world, longest);
  });
  for (int rank = 0; rank < n; ++rank) {
    std::vector<std::byte> expected;
    const int half = n / 2 + (rank % 2 == 0 ? n % 2 : 0);
    for (const auto& [size, position] : {std::pair(n, rank), std::pair(half, rank / 2)})
      for (const std::int64_t count :
           {std::int64_t{0}, std::int64_t{1}, std::int64_t{37}, std::int64_t{1024}, longest}) {
        append_expected<float>(size, position, count, expected);
        append_expected<double>(size, position, count, expected);
        append_expected<std::int32_t>(size, position, count, expected);
        append_expected<Bfloat16>(size, position, count, expected);
      }
    INFO("rank " << rank << " of " << n);
    const auto& log = logs[static_cast<std::size_t>(rank)];
    const auto difference = std::mismatch(log.begin(), log.end(), expected.begin(), expected.end());
    CHECK(difference.first - log.begin() == static_cast<std::ptrdiff_t>(expected.size()));  // bytes that are the same
  }
}

TEST_CASE("a maximum keeps NaN wherever it stands") {
  std::vector<std::vector<double>> results(3);
  run_ranks(3, [&](Communicator& world) {
    std::vector<double> data = {1, 2, 3, 4};
    data[static_cast<std::size_t>(world.rank())] = std::nan("");
    world.all_reduce(view(data), view(data), Reduction::max);
    results[static_cast<std::size_t>(world.rank())] = data;
  });
  for (const auto& result : results) {
    for (std::size_t i = 0; i < 3; ++i) CHECK(std::isnan(result[i]));
    CHECK(result[3] == 4);
  }
}

TEST_CASE("the lines of a 2x2x2 mesh work at once") {
  constexpr int steps = 50;
  std::vector<std::array<std::vector<std::int32_t>, 3>> gathered(8);
  std::vector<std::string> names(8);
  run_ranks(8, [&](Communicator& world) {
    std::array<std::unique_ptr<Communicator>, 3> lines;
    for (int axis = 0; axis < 3; ++axis) {
      const int bit = 4 >> axis, low = world.rank() & ~bit;
      lines[static_cast<std::size_t>(axis)] = world.subgroup({low, low | bit}, std::string(1, "xyz"[axis]));
    }
    const auto me = static_cast<std::size_t>(world.rank());
    for (std::int32_t step = 0; step < steps; ++step)
      for (std::size_t axis = 0; axis < 3; ++axis) {
        std::vector<std::int32_t> mine = {world.rank() * steps + step}, both(2);
        lines[axis]->all_gather(view(mine), view(both));
        gathered[me][axis].insert(gathered[me][axis].end(), both.begin(), both.end());
      }
    // A line of a line's own relatives: the plane of axes y and z, cut along y.
    const int base = world.rank() & 4;
    const auto plane = world.subgroup({base, base + 1, base + 2, base + 3}, "plane");
    const auto column = plane->subgroup({plane->rank() & 1, (plane->rank() & 1) + 2}, "column");
    names[me] = fmt::format("{} {} {} {}", column->name(), column->rank(), column->ranks()[0], column->ranks()[1]);
  });
  for (int rank = 0; rank < 8; ++rank) {
    for (int axis = 0; axis < 3; ++axis) {
      const int bit = 4 >> axis, low = rank & ~bit;
      std::vector<std::int32_t> expected;
      for (std::int32_t step = 0; step < steps; ++step)
        for (const int member : {low, low | bit}) expected.push_back(member * steps + step);
      CHECK(gathered[static_cast<std::size_t>(rank)][static_cast<std::size_t>(axis)] == expected);
    }
    const int low = rank & ~2;
    CHECK(names[static_cast<std::size_t>(rank)] == fmt::format("column {} {} {}", rank / 2 % 2, low, low + 2));
  }
}

TEST_CASE("a collective allocates nothing") {
  std::int64_t allocations = -1;
  run_ranks(4, [&](Communicator& world) {
    const auto pair = world.subgroup({world.rank() / 2 * 2, world.rank() / 2 * 2 + 1}, "pair");
    std::vector<float> data(3000), all(12000);
    world.barrier();
    const std::int64_t before = allocation_count().own_calls;  // of all threads, which only do what follows
    world.barrier();
    for (int i = 0; i < 3; ++i) {
      world.all_gather(view(data), view(all));
      world.reduce_scatter(view(all), view(data), Reduction::sum);
      pair->all_reduce(view(data), view(data), Reduction::max);
      pair->broadcast(view(data), 1);
      world.reduce(view(data).part(0, 500), view(all).part(0, 500), 2, Reduction::sum);
    }
    world.barrier();
    if (world.rank() == 0) allocations = allocation_count().own_calls - before;
    world.barrier();
  });
  CHECK(allocations == 0);
}

TEST_CASE("the bytes sent are counted by the closed formulas") {
  CHECK(bytes_sent(Collective::all_gather, 4, false, 100) == 300);
  CHECK(bytes_sent(Collective::all_reduce, 4, false, 100) == 150);
  CHECK(bytes_sent(Collective::reduce_scatter, 4, false, 100) == 75);
  CHECK(bytes_sent(Collective::all_to_all, 4, false, 100) == 75);
  CHECK(bytes_sent(Collective::broadcast, 4, true, 100) == 300);
  CHECK(bytes_sent(Collective::broadcast, 4, false, 100) == 0);
  CHECK(bytes_sent(Collective::reduce, 4, true, 100) == 0);
  CHECK(bytes_sent(Collective::reduce, 4, false, 100) == 100);
  CHECK(bytes_sent(Collective::shift, 4, false, 100) == 100);
  CHECK(bytes_sent(Collective::shift, 1, false, 100) == 0);
  CHECK(bytes_sent(Collective::barrier, 4, false, 100) == 0);

  std::vector<std::array<std::int64_t, 4>> counters(3);
  run_ranks(3, [&](Communicator& world) {
    std::vector<float> data(6), all(18);
    const auto part = world.subgroup({0, 1, 2}, "again");  // setting up does not count
    for (int i = 0; i < 2; ++i) world.broadcast(view(data), 1);
    world.all_gather(view(data), view(all));
    world.all_reduce(view(data), view(data), Reduction::sum);
    part->barrier();
    counters[static_cast<std::size_t>(world.rank())] = {
        world.sent(Collective::broadcast), world.sent(Collective::all_gather), world.sent(Collective::all_reduce),
        part->sent(Collective::all_gather)};
  });
  for (std::size_t rank = 0; rank < 3; ++rank)
    CHECK(counters[rank] == std::array<std::int64_t, 4>{rank == 1 ? 96 : 0, 48, 32, 0});
}
