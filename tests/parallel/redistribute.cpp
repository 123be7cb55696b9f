// Redistribution on a 2 x 2 x 2 mesh: the moves bring the right numbers, the path is the cheapest.
#include "parallel/redistribute.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "memory/error.h"
#include "ops/philox.h"
#include "parallel/program_builder.h"
#include "tests/support/program_on_rank.h"
#include "tests/support/run_ranks.h"

namespace ctrain {
namespace {

const Names dims("bsh");

Mesh cube() { return Mesh({{"x", 2}, {"y", 2}, {"z", 2}}); }
constexpr Axis x = 0, y = 1, z = 2;

// Every dimension divides by all three axes together; b and s have padding then.
Dimensions cube_dimensions() {
  Dimensions dimensions;
  dimensions.set({'b'}, 11, 8);
  dimensions.set({'s'}, 7, 8);
  dimensions.set({'h'}, 16, 8);
  return dimensions;
}

Layout split(const Axes& b, const Axes& s = {}, const Axes& h = {}) {
  Layout layout;
  layout.split[0] = b;
  layout.split[1] = s;
  layout.split[2] = h;
  return layout;
}

// Each axis splits some dimension, or the value is partial over it, or it is replicated.
Layout random_layout(std::uint64_t key, bool partial, Reduction reduction) {
  Layout layout;
  std::vector<Axis> axes{x, y, z};
  for (std::uint64_t i = 0; i < 3; ++i) std::swap(axes[i], axes[i + random_below(key, i, 3 - i)]);
  for (std::uint64_t i = 0; i < 3; ++i) {
    const std::uint64_t place = random_below(key, 8 + i, partial ? 5 : 4);
    if (place < 3) layout.split[place] = layout.split[place].with(axes[i]);
    if (place == 4) layout.add_partial(axes[i]);
  }
  if (!layout.partial.empty()) layout.reduction = reduction;
  return layout;
}

struct Pair {
  Layout from, to;
};

std::vector<Pair> random_pairs(std::uint64_t count, Reduction reduction) {
  std::vector<Pair> pairs;
  for (std::uint64_t i = 0; i < count; ++i)
    pairs.push_back({random_layout(random_key(3, "from", i), true, reduction),
                     random_layout(random_key(3, "to", i), false, reduction)});
  return pairs;
}

// ---- moving data --------------------------------------------------------------------------------------------------

// All pairs in one program: a feed for each, the moves, the last block.
struct Redistributions {
  Program program;
  std::vector<BlockId> sources, targets;
};

Redistributions redistributions(const std::vector<Pair>& pairs, int rank) {
  Redistributions result;
  Program& program = result.program;
  program.mesh = cube();
  program.rank = rank;
  program.dimensions = cube_dimensions();
  ProgramBuilder builder(program, 0);
  Redistributor redistributor(program.mesh, program.dimensions);
  for (const Pair& pair : pairs) {
    BlockId at = builder.add_block(nullptr, dims, DType::f64, pair.from, ctrain::Block::Storage::feed);
    result.sources.push_back(at);
    for (const Move& move : redistributor.path(dims, pair.from, pair.to)) at = builder.move(at, move);
    result.targets.push_back(at);
    program.blocks[static_cast<std::size_t>(at)].keep = true;
  }
  return result;
}

// What a rank brings to a tensor that is partial: integers, so that every order of summation gives the same bits. The
// parts of all members over the partial axes add up to the whole, or have it as their maximum.
test::LogicalTensor part_of(const test::LogicalTensor& whole, const Layout& layout, int rank) {
  const Mesh mesh = cube();
  const int parts = mesh.size(layout.partial), mine = mesh.block(rank, layout.partial);
  if (parts == 1) return whole;
  test::LogicalTensor part(whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto noise = [&](int member) {
      return static_cast<double>(random_below(random_key(5, "noise", static_cast<std::uint64_t>(member)), i, 1000));
    };
    if (layout.reduction == Reduction::max) {
      part[i] = static_cast<int>(i % static_cast<std::size_t>(parts)) == mine ? whole[i] : whole[i] - 1 - noise(mine);
      continue;
    }
    part[i] = mine > 0 ? noise(mine) : whole[i];
    for (int member = 1; member < parts && mine == 0; ++member) part[i] -= noise(member);
  }
  return part;
}

// How many of the pairs' targets hold anything but their blocks of the tensor, on any rank.
int wrong_targets(const std::vector<Pair>& pairs) {
  test::LogicalTensor whole(11 * 7 * 16);
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<double>(i) - 500;
  std::vector<int> wrong(8);
  run_ranks(8, [&](Communicator& world) {
    const Redistributions work = redistributions(pairs, world.rank());
    test::ProgramOnRank rank(work.program, world);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const BlockId source = work.sources[i];
      test::cut_block(rank.program(), rank.block(source), part_of(whole, pairs[i].from, world.rank()),
                      rank.data(source));
    }
    rank.run();
    for (const BlockId target : work.targets) {
      std::vector<double> expected(static_cast<std::size_t>(rank.block(target).operand.elements()));
      test::cut_block(rank.program(), rank.block(target), whole, expected.data());
      if (!std::equal(expected.begin(), expected.end(), rank.data(target)))
        ++wrong[static_cast<std::size_t>(world.rank())];
    }
  });
  return *std::max_element(wrong.begin(), wrong.end());
}

TEST_CASE("Moved data stands where the target layout says, for random pairs of layouts", "[redistribute]") {
  CHECK(wrong_targets(random_pairs(300, Reduction::sum)) == 0);
}

TEST_CASE("A partial maximum is brought to the right blocks", "[redistribute]") {
  CHECK(wrong_targets(random_pairs(100, Reduction::max)) == 0);
}

// Every single move from many layouts, also those that no cheapest path takes.
TEST_CASE("Every move alone brings the right blocks", "[redistribute]") {
  const Dimensions dimensions = cube_dimensions();
  const Mesh mesh = cube();
  const Redistributor redistributor(mesh, dimensions);
  std::set<std::pair<Layout, std::tuple<int, Axis, int, int>>> done;
  std::vector<std::pair<Layout, Move>> all;
  for (const Pair& pair : random_pairs(60, Reduction::sum))
    for (const Move& move : redistributor.moves(dims, pair.from)) {
      const int kind = move.collective.has_value() ? static_cast<int>(*move.collective) : -1;
      if (move.result.partial.empty() && done.insert({pair.from, {kind, move.axis, move.from, move.to}}).second)
        all.emplace_back(pair.from, move);
    }
  REQUIRE(all.size() > 100);

  test::LogicalTensor whole(11 * 7 * 16);
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<double>(i) + 1;
  std::vector<int> wrong(8);
  run_ranks(8, [&](Communicator& world) {
    Program program;
    program.mesh = mesh;
    program.rank = world.rank();
    program.dimensions = dimensions;
    ProgramBuilder builder(program, 0);
    std::vector<std::pair<BlockId, BlockId>> ends;
    for (const auto& [from, move] : all) {
      const BlockId source = builder.add_block(nullptr, dims, DType::f64, from, ctrain::Block::Storage::feed);
      ends.emplace_back(source, builder.move(source, move));
      program.blocks[static_cast<std::size_t>(ends.back().second)].keep = true;
    }
    test::ProgramOnRank rank(std::move(program), world);
    for (std::size_t i = 0; i < all.size(); ++i)
      test::cut_block(rank.program(), rank.block(ends[i].first), part_of(whole, all[i].first, world.rank()),
                      rank.data(ends[i].first));
    rank.run();
    for (const auto& [source, target] : ends) {
      std::vector<double> expected(static_cast<std::size_t>(rank.block(target).operand.elements()));
      test::cut_block(rank.program(), rank.block(target), whole, expected.data());
      if (!std::equal(expected.begin(), expected.end(), rank.data(target)))
        ++wrong[static_cast<std::size_t>(world.rank())];
    }
  });
  CHECK(wrong == std::vector<int>(8, 0));
}

// ---- the search ---------------------------------------------------------------------------------------------------

// Elements that a rank sends, by the closed forms.
double sent(const std::vector<Move>& path, Layout from, const Dimensions& dimensions) {
  const Mesh mesh = cube();
  double total = 0;
  for (const Move& move : path) {
    if (move.collective.has_value())
      total += static_cast<double>(
          bytes_sent(*move.collective, mesh.size(move.axis), false, 8 * dimensions.local_elements(dims, from, mesh)));
    from = move.result;
  }
  return total;
}

// Colossal-AI's documented heuristic: 20 for an axis to gather or to reduce, 5 for one to shard.
int distance(const Layout& from, const Layout& to) {
  int total = 20 * static_cast<int>(from.partial.size());
  for (std::size_t d = 0; d < dims.size(); ++d) {
    const Axes &a = from.split[d], &b = to.split[d];
    std::size_t common = 0;
    while (common < std::min(a.size(), b.size()) && a.begin()[common] == b.begin()[common]) ++common;
    total += static_cast<int>(20 * (a.size() - common) + 5 * (b.size() - common));
  }
  return total;
}

// The documented search: always the move that ends nearest to the target, a slice before a collective.
std::vector<Move> greedy_path(const Redistributor& redistributor, Layout from, const Layout& to) {
  std::vector<Move> path;
  while (from != to) {
    const std::vector<Move> moves = redistributor.moves(dims, from);
    const auto key = [&](const Move& move) {
      return std::pair(distance(move.result, to), move.collective.has_value());
    };
    path.push_back(
        *std::min_element(moves.begin(), moves.end(), [&](const Move& a, const Move& b) { return key(a) < key(b); }));
    if (path.size() > 20) throw running_error("the greedy search goes round in circles");
    from = path.back().result;
  }
  return path;
}

TEST_CASE("The cheapest path never sends more than the documented greedy search", "[redistribute]") {
  const Mesh mesh = cube();
  const Dimensions dimensions = cube_dimensions();
  const CostModel bytes_alone{.latency = 0, .seconds_per_byte = 1};
  Redistributor redistributor(mesh, dimensions, bytes_alone);
  int cheaper = 0, dearer = 0;
  for (const Pair& pair : random_pairs(300, Reduction::sum)) {
    const double least = sent(redistributor.path(dims, pair.from, pair.to), pair.from, dimensions);
    const double greedy = sent(greedy_path(redistributor, pair.from, pair.to), pair.from, dimensions);
    cheaper += least < greedy ? 1 : 0;
    dearer += least > greedy ? 1 : 0;
  }
  CHECK(dearer == 0);
  CHECK(cheaper > 30);  // otherwise the comparison shows nothing
}

// Bellman-Ford over every layout that can be reached: slow, and nothing in common with the search under test.
std::map<Layout, double> least_bytes(const Redistributor& redistributor, const Layout& from,
                                     const Dimensions& dimensions) {
  std::map<Layout, double> least{{from, 0}};
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [layout, bytes] : std::map(least))
      for (const Move& move : redistributor.moves(dims, layout)) {
        const double total = bytes + sent({move}, layout, dimensions);
        const auto [it, fresh] = least.try_emplace(move.result, total);
        if (!fresh && it->second <= total) continue;
        it->second = total;
        changed = true;
      }
  }
  return least;
}

TEST_CASE("No path at all sends less than the one found", "[redistribute]") {
  const Mesh mesh = cube();
  const Dimensions dimensions = cube_dimensions();
  Redistributor redistributor(mesh, dimensions, {.latency = 0, .seconds_per_byte = 1});
  Layout partial = split({}, {y});
  partial.add_partial(z);
  const std::vector<Layout> starts{{}, split({z, x}, {y}), split({}, {x, y, z}), partial};
  for (const Layout& from : starts) {
    const std::map<Layout, double> least = least_bytes(redistributor, from, dimensions);
    CHECK(least.size() > 50);
    int worse = 0;
    for (const auto& [to, bytes] : least)
      worse += sent(redistributor.path(dims, from, to), from, dimensions) > bytes ? 1 : 0;
    INFO("from " << from.text(dims, mesh));
    CHECK(worse == 0);
  }
}

TEST_CASE("The documented example: [R, S01, R] to [S01, R, R]", "[redistribute]") {
  const Mesh mesh = cube();
  const Dimensions dimensions = cube_dimensions();
  Redistributor redistributor(mesh, dimensions);
  const Layout from = split({}, {x, y}), to = split({x, y});
  const std::vector<Move> path = greedy_path(redistributor, from, to);
  REQUIRE(path.size() == 3);
  CHECK(path[0].collective == Collective::all_gather);
  CHECK((path[0].axis == y && path[0].from == 1));
  CHECK(path[1].collective == Collective::all_to_all);
  CHECK((path[1].axis == x && path[1].from == 1 && path[1].to == 0));
  CHECK_FALSE(path[2].collective.has_value());
  CHECK((path[2].axis == y && path[2].to == 0));
  CHECK(sent(redistributor.path(dims, from, to), from, dimensions) <= sent(path, from, dimensions));
}

TEST_CASE("The simple cases are one move each", "[redistribute]") {
  const Mesh mesh = cube();
  const Dimensions dimensions = cube_dimensions();
  Redistributor redistributor(mesh, dimensions);
  Layout partial;
  partial.add_partial(x);
  const Layout whole, split_b = split({x}), split_h = split({}, {}, {x});
  const auto only = [&](const Layout& from, const Layout& to) {
    const std::vector<Move>& path = redistributor.path(dims, from, to);
    return path.size() == 1 ? path[0].collective : Collective::barrier;
  };
  CHECK(redistributor.path(dims, split_b, split_b).empty());
  CHECK(only(split_b, whole) == Collective::all_gather);
  CHECK(only(split_b, split_h) == Collective::all_to_all);
  CHECK(only(partial, whole) == Collective::all_reduce);
  CHECK(only(partial, split_h) == Collective::reduce_scatter);
  CHECK(only(whole, split_h) == std::nullopt);
}

TEST_CASE("Latency makes few large calls win over many that send a little less", "[redistribute]") {
  const Mesh mesh = cube();
  const Dimensions dimensions = cube_dimensions();
  Layout from;
  for (const Axis axis : {x, y, z}) from.add_partial(axis);
  // Three all-reduces send 3 |T|; reduce-scatters and the gathers back 1.75 |T| in six calls.
  Redistributor patient(mesh, dimensions, {.latency = 0, .seconds_per_byte = 1});
  Redistributor hasty(mesh, dimensions, {.latency = 1, .seconds_per_byte = 1e-12});
  CHECK(patient.path(dims, from, {}).size() > hasty.path(dims, from, {}).size());
  CHECK(hasty.path(dims, from, {}).size() == 3);
}

TEST_CASE("What no layout allows is not on the way", "[redistribute]") {
  const Mesh mesh = cube();
  Dimensions dimensions;
  dimensions.set({'b'}, 8, 1);
  dimensions.set({'s'}, 5, 1);  // divides by nothing
  dimensions.set({'h'}, 6, 1);  // by one axis
  const Redistributor redistributor(mesh, dimensions);
  for (const Layout& from : {Layout{}, split({x}), split({}, {}, {y})})
    for (const Move& move : redistributor.moves(dims, from)) {
      CHECK(move.result.split[1].empty());
      CHECK(move.result.split[2].size() < 2);
    }
  Layout partial;
  partial.add_partial(x);
  Redistributor search(mesh, dimensions);
  CHECK_THROWS_WITH(search.path(dims, {}, partial), Catch::Contains("no way from b s h to b s h + sum over x"));
}

TEST_CASE("Maxima are not scattered", "[redistribute]") {
  const Mesh mesh = cube();
  const Dimensions dimensions = cube_dimensions();
  const Redistributor redistributor(mesh, dimensions);
  Layout from;
  from.add_partial(x);
  from.reduction = Reduction::max;
  for (const Move& move : redistributor.moves(dims, from)) CHECK(move.collective != Collective::reduce_scatter);
}

}  // namespace
}  // namespace ctrain
