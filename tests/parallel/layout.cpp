#include "parallel/layout.h"

#include <catch2/catch.hpp>

#include "memory/error.h"
#include "parallel/block_runs.h"
#include "parallel/tensor/layout_wish.h"
#include "parallel/tensor/mode.h"
#include "tests/support/program_on_rank.h"

namespace ctrain {
namespace {

Mesh grid() { return Mesh({{"data", 2}, {"row", 2}, {"col", 3}}); }
constexpr Axis data = 0, row = 1, col = 2;

TEST_CASE("A layout reads as it would be said", "[layout]") {
  const Mesh mesh = grid();
  Layout layout;
  CHECK(layout.text("bsh", mesh) == "b s h");
  CHECK(layout.text("", mesh) == "scalar");
  layout.split[0] = {data, row};
  layout.split[2] = {col};
  CHECK(layout.text("bsh", mesh) == "b(data,row) s h(col)");
  layout.split[0] = {};
  layout.add_partial(row);
  layout.add_partial(data);
  CHECK(layout.text("bsh", mesh) == "b s h(col) + sum over data,row");
}

TEST_CASE("Partial axes are kept in order, so that equal layouts compare equal", "[layout]") {
  Layout a, b;
  for (const Axis axis : {col, data, row}) a.add_partial(axis);
  for (const Axis axis : {data, row, col}) b.add_partial(axis);
  CHECK(a == b);
  CHECK(a.partial == Axes{data, row, col});
  a.reduction = Reduction::max;
  CHECK(a != b);
  CHECK(a.resolved() == Layout{});
  CHECK(a.uses(row));
  CHECK_FALSE(a.resolved().uses(row));
}

TEST_CASE("Extents are rounded up once, and local shapes follow", "[layout]") {
  const Mesh mesh = grid();
  Dimensions dimensions;
  dimensions.set({'b'}, 10, 4);
  dimensions.set({'h'}, 9, 1);
  CHECK(dimensions.extent({'b'}) == 10);
  CHECK(dimensions.padded({'b'}) == 12);
  Layout layout;
  layout.split[0] = {data, row};
  layout.split[1] = {col};
  CHECK(dimensions.local_shape("bh", layout, mesh) == std::vector<std::int64_t>{3, 3});
  CHECK(dimensions.local_elements("bh", layout, mesh) == 9);
  CHECK(dimensions.local_elements("", {}, mesh) == 1);
  layout.split[1] = {row};
  layout.split[0] = {data};
  CHECK_THROWS_WITH(dimensions.local_shape("bh", layout, mesh), Catch::Contains("dimension h of 9"));
  CHECK_THROWS_WITH(dimensions.extent({'n'}), Catch::Contains("dimension n has no extent"));
}

// A program without steps, of one block in this layout.
Program program_of(const Names& dims, const Layout& layout, int rank) {
  Program program;
  program.mesh = grid();
  program.rank = rank;
  program.dimensions.set({'b'}, 10, 12);  // 2 padded rows
  program.dimensions.set({'s'}, 5, 6);    // 1 padded
  program.dimensions.set({'h'}, 12, 1);
  ctrain::Block block;
  block.layout = layout;
  block.operand = {dims, DType::f64, program.dimensions.local_shape(dims, layout, program.mesh)};
  program.blocks.push_back(block);
  return program;
}

TEST_CASE("The runs of all ranks' blocks cover the logical tensor exactly once, padding apart",
          "[layout][block_runs]") {
  std::array<Axes, 3> splits;
  SECTION("whole") {}
  SECTION("one axis each") { splits = {Axes{data}, Axes{row}, Axes{col}}; }
  SECTION("two axes on the slowest") { splits = {Axes{row, data}, Axes{}, Axes{col}}; }
  SECTION("the innermost, with padding") { splits = {Axes{}, Axes{col, row}, Axes{data}}; }
  for (const Names& dims : {Names("bsh"), Names("hsb"), Names("shb")}) {
    Layout layout;
    int replicas = grid().size();
    for (const auto& [name, split] :
         {std::pair(Name{'b'}, splits[0]), {Name{'s'}, splits[1]}, {Name{'h'}, splits[2]}}) {
      layout.split[static_cast<std::size_t>(dims.index(name))] = split;
      replicas /= grid().size(split);
    }
    for (const Names& order : {Names("bsh"), Names("shb")}) {
      std::vector<int> seen(10 * 5 * 12);
      bool in_place = true;
      for (int rank = 0; rank < grid().size(); ++rank) {
        const Program program = program_of(dims, layout, rank);
        visit_runs(program, rank, program.blocks[0], order, [&](const BlockRun& run) {
          for (std::int64_t i = 0; i < run.length; ++i) {
            ++seen.at(static_cast<std::size_t>(run.logical + i * run.stride));
            // The element's logical index, taken apart in both orders of dimensions.
            std::int64_t local = run.local + i, logical = run.logical + i * run.stride;
            std::map<Name, std::int64_t> index;
            for (std::size_t d = order.size(); d-- > 0;) {
              index[order[d]] = logical % program.dimensions.extent(order[d]);
              logical /= program.dimensions.extent(order[d]);
            }
            for (std::size_t d = dims.size(); d-- > 0;) {
              const std::int64_t length = program.blocks[0].operand.shape[d];
              const std::int64_t start = program.mesh.block(rank, layout.split[d]) * length;
              in_place = in_place && index[dims[d]] == start + local % length;
              local /= length;
            }
          }
        });
      }
      INFO(layout.text(dims, grid()) << " in the order " << order.text());
      CHECK(seen == std::vector<int>(seen.size(), replicas));
      CHECK(in_place);
    }
  }
}

TEST_CASE("A scalar is one run of one element", "[layout][block_runs]") {
  const Program program = program_of("", {}, 3);
  int runs = 0;
  visit_runs(program, 3, program.blocks[0], "", [&](const BlockRun& run) {
    ++runs;
    CHECK(run.length == 1);
    CHECK(run.logical == 0);
  });
  CHECK(runs == 1);
}

TEST_CASE("Cutting blocks and putting them together gives the tensor back, padding zero", "[layout][block_runs]") {
  Layout layout;
  layout.split[0] = {row, data};
  layout.split[1] = {col};
  std::vector<double> whole(10 * 5);
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<double>(i) + 1;
  test::LogicalTensor together = test::unknown_tensor(program_of("bs", layout, 0), "bs");
  double sum = 0;
  for (int rank = 0; rank < grid().size(); ++rank) {
    const Program program = program_of("bs", layout, rank);
    std::vector<double> part(static_cast<std::size_t>(program.blocks[0].operand.elements()), NAN);
    test::cut_block(program, program.blocks[0], whole, part.data());
    for (const double x : part) sum += x;
    CHECK(test::collect_block(program, program.blocks[0], part.data(), together));
  }
  CHECK(together == whole);
  CHECK(sum == 50 * 51 / 2);
}

// ---- the modes' tables --------------------------------------------------------------------------------------------

Layout stored(const Graph& graph, const Value* parameter, const Mode& mode) {
  return stored_layout(*parameter, mode, mode.dimensions(graph));
}

TEST_CASE("Stored layouts of 1d: columns, rows, the small classifier", "[layout][mode]") {
  const Mode mode = make_mode("1d", 2, {2});
  Graph graph;
  for (const auto& [letter, extent] : {std::pair('h', 8), {'f', 16}, {'n', 4}, {'d', 2}, {'t', 3}, {'c', 10}, {'s', 5}})
    graph.set_extent({letter}, extent);
  const auto text = [&](const Names& dims, ParameterRole role) {
    return stored(graph, graph.parameter("w" + dims.text(), dims, role, {}), mode).text(dims, mode.mesh);
  };
  CHECK(text("hf", ParameterRole::linear) == "h f(tensor)");
  CHECK(text("fh", ParameterRole::linear) == "f(tensor) h");
  CHECK(text("htnd", ParameterRole::linear) == "h t n(tensor) d");
  CHECK(text("f", ParameterRole::vector) == "f(tensor)");
  CHECK(text("h", ParameterRole::vector) == "h");
  CHECK(text("sh", ParameterRole::embedding) == "s h");
  CHECK(text("hc", ParameterRole::embedding) == "h(tensor) c");
}

TEST_CASE("Stored layouts of 2d: weights over (row, col), vectors over (col, row)", "[layout][mode]") {
  const Mode mode = make_mode("2d", 2, {4});
  Graph graph;
  for (const auto& [letter, extent] :
       {std::pair('h', 8), {'f', 16}, {'n', 2}, {'d', 4}, {'t', 3}, {'c', 10}, {'k', 12}})
    graph.set_extent({letter}, extent);
  const auto text = [&](const Names& dims, ParameterRole role) {
    return stored(graph, graph.parameter("w" + dims.text(), dims, role, {}), mode).text(dims, mode.mesh);
  };
  CHECK(text("hf", ParameterRole::linear) == "h(row) f(col)");
  CHECK(text("ndh", ParameterRole::linear) == "n(row) d h(col)");
  CHECK(text("h", ParameterRole::vector) == "h(col,row)");
  CHECK(text("tnd", ParameterRole::vector) == "t n(col) d(row)");  // two heads: one a column, half a head a row
  CHECK(text("kh", ParameterRole::embedding) == "k h(col,row)");
  CHECK(text("c", ParameterRole::vector) == "c");
}

TEST_CASE("Axes of one rank are in no layout", "[layout][mode]") {
  const Mode mode = make_mode("2d", 3, {1});
  CHECK_FALSE(mode.summa);
  CHECK(layout_from(mode.table("bh"), "bh").text("bh", mode.mesh) == "b(data) h");
}

TEST_CASE("A vector that does not divide lies whole on the last axis; a weight is told with the mode",
          "[layout][mode]") {
  Graph graph;
  graph.set_extent({'h'}, 6);
  graph.set_extent({'f'}, 6);
  const Value* vector = graph.parameter("norm.weight", "h", ParameterRole::vector, {});
  const Mode grid = make_mode("2d", 1, {4});
  CHECK(stored(graph, vector, grid).text("h", grid.mesh) == "h(col)");
  const Value* weight = graph.parameter("fc.weight", "hf", ParameterRole::linear, {});
  CHECK_THROWS_WITH(stored(graph, weight, make_mode("3d", 1, {8})),
                    Catch::Contains("fc.weight") && Catch::Contains("3d"));
}

TEST_CASE("A zigzag dimension gives every rank a chunk from the front and one from the back", "[layout]") {
  Dimensions dimensions;
  dimensions.set({'s'}, 21, 1);
  dimensions.set_zigzag({'s'}, 3);
  CHECK(dimensions.padded({'s'}) == 24);
  const std::vector<std::array<std::int64_t, 4>> expected{{0, 4, 20, 4}, {4, 4, 16, 4}, {8, 4, 12, 4}};
  for (int rank = 0; rank < 3; ++rank) {
    const Segments held = dimensions.stored({'s'}, rank * 8, 8);
    CHECK(std::array<std::int64_t, 4>{held.runs[0].start, held.runs[0].length, held.runs[1].start,
                                      held.runs[1].length} == expected[static_cast<std::size_t>(rank)]);
  }
  CHECK(dimensions.stored({'s'}, 10, 4).logical(0) == 6);  // a part of a rank's pair
  CHECK(dimensions.stored({'s'}, 10, 4).logical(2) == 16);
  CHECK_THROWS_WITH(dimensions.stored({'s'}, 0, 24), Catch::Contains("two runs"));
}

TEST_CASE("Wanted layouts come before the mode's", "[layout]") {
  CHECK(fits_pattern("blocks.0.mlp.fc1.weight", "*.mlp.fc1.*"));
  CHECK(fits_pattern("head.weight", "head.weight"));
  CHECK_FALSE(fits_pattern("blocks.0.mlp.fc10.weight", "*.fc1.*"));
  CHECK_FALSE(fits_pattern("head.weights", "head.weight"));
  Graph graph;
  for (const auto& [letter, extent] : {std::pair('h', 8), {'t', 3}, {'n', 2}, {'d', 4}})
    graph.set_extent({letter}, extent);
  Value* weight = graph.parameter("qkv.weight", "htnd", ParameterRole::linear, {});
  weight->form = {"tndh", {24, 8}};
  Mode mode = make_mode("1d", 1, {2});
  CHECK(stored(graph, weight, mode).text("htnd", mode.mesh) == "h t n(tensor) d");
  mode.wishes = {{"*.weight", -1}, {"*", std::nullopt}};
  CHECK(stored(graph, weight, mode).text("htnd", mode.mesh) == "h(tensor) t n d");
  mode.wishes = {{"qkv*", 0}};
  CHECK(stored(graph, weight, mode).text("htnd", mode.mesh) == "h t n(tensor) d");
  mode.wishes = {{"qkv*", std::nullopt}};
  CHECK(stored(graph, weight, mode).text("htnd", mode.mesh) == "h t n d");
  mode.wishes = {{"qkv*", 2}};
  CHECK_THROWS_WITH(stored(graph, weight, mode), Catch::Contains("qkv.weight has 2 dimensions"));
}

}  // namespace
}  // namespace ctrain
