// The documented rank tables of Colossal-AI: a line along `col` is their 2D_ROW, one along `row` their 2D_COL.
#include "parallel/mesh.h"

#include <catch2/catch.hpp>
#include <set>

#include "memory/error.h"
#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

using Lines = std::set<std::vector<int>>;

Lines lines(const Mesh& mesh, const std::string& axis) {
  Lines result;
  for (int rank = 0; rank < mesh.size(); ++rank) result.insert(mesh.line(rank, mesh.axis(axis)));
  return result;
}

// Which block each rank has of a dimension split over these axes.
std::vector<int> blocks(const Mesh& mesh, const Axes& axes) {
  std::vector<int> result;
  for (int rank = 0; rank < mesh.size(); ++rank) result.push_back(mesh.block(rank, axes));
  return result;
}

TEST_CASE("Data parallelism over four ranks is one line", "[mesh]") {
  CHECK(lines(make_mode("", 4, {1}).mesh, "data") == Lines{{0, 1, 2, 3}});
}

TEST_CASE("1d: neighbours are the tensor group, also under data parallelism", "[mesh]") {
  const Mesh alone = make_mode("1d", 1, {4}).mesh;
  CHECK(lines(alone, "tensor") == Lines{{0, 1, 2, 3}});
  CHECK(lines(alone, "data") == Lines{{0}, {1}, {2}, {3}});
  const Mesh twice = make_mode("1d", 2, {2}).mesh;
  CHECK(lines(twice, "tensor") == Lines{{0, 1}, {2, 3}});
  CHECK(lines(twice, "data") == Lines{{0, 2}, {1, 3}});
}

TEST_CASE("2d over four ranks: 2D_ROW and 2D_COL", "[mesh]") {
  const Mesh mesh = make_mode("2d", 1, {4}).mesh;
  CHECK(lines(mesh, "col") == Lines{{0, 1}, {2, 3}});
  CHECK(lines(mesh, "row") == Lines{{0, 2}, {1, 3}});
}

TEST_CASE("2d over nine ranks", "[mesh]") {
  const Mesh mesh = make_mode("2d", 1, {9}).mesh;
  CHECK(lines(mesh, "col") == Lines{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}});
  CHECK(lines(mesh, "row") == Lines{{0, 3, 6}, {1, 4, 7}, {2, 5, 8}});
}

TEST_CASE("Data 2 x 2d 4: the grids are contiguous, data pairs lie four apart", "[mesh]") {
  const Mesh mesh = make_mode("2d", 2, {4}).mesh;
  CHECK(lines(mesh, "data") == Lines{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
  CHECK(lines(mesh, "col") == Lines{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(lines(mesh, "row") == Lines{{0, 2}, {1, 3}, {4, 6}, {5, 7}});
  CHECK(mesh.text() == "data 2 x row 2 x col 2");
  CHECK(mesh.coordinate_text(6) == "data 1, row 1, col 0");
}

TEST_CASE("The first axis of a split is the coarsest", "[mesh]") {
  const Mesh mesh = make_mode("2d", 2, {4}).mesh;
  const Axis data = mesh.axis("data"), row = mesh.axis("row"), col = mesh.axis("col");
  const std::vector<int> documented{0, 2, 1, 3};  // vectors of 2d: the column first, then the row
  const std::vector<int> all = blocks(mesh, {col, row});
  CHECK(std::vector<int>(all.begin(), all.begin() + 4) == documented);
  CHECK(std::vector<int>(all.begin() + 4, all.end()) == documented);
  CHECK(blocks(mesh, {row, col}) == std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(blocks(mesh, {data, row}) == std::vector<int>{0, 0, 1, 1, 2, 2, 3, 3});  // the batch
  CHECK(blocks(mesh, {}) == std::vector<int>(8, 0));
}

TEST_CASE("A line begins with coordinate 0 and goes through its rank", "[mesh]") {
  const Mesh mesh({{"a", 2}, {"b", 3}, {"c", 4}});
  CHECK(mesh.size() == 24);
  for (int rank = 0; rank < mesh.size(); ++rank)
    for (Axis axis = 0; axis < 3; ++axis) {
      const std::vector<int> line = mesh.line(rank, axis);
      REQUIRE(static_cast<int>(line.size()) == mesh.size(axis));
      CHECK(line[static_cast<std::size_t>(mesh.coordinate(rank, axis))] == rank);
      for (std::size_t i = 0; i < line.size(); ++i) CHECK(mesh.coordinate(line[i], axis) == static_cast<int>(i));
    }
}

// The documented groups: PARALLEL_2P5D_ROW, _COL and _DEP; PARALLEL_3D_WEIGHT, _INPUT and _OUTPUT.
TEST_CASE("2.5d: depth is the slowest axis, lines along col are next to each other", "[mesh]") {
  const Mesh mesh = make_mode("2.5d", 1, {8, 2}).mesh;
  CHECK(lines(mesh, "col") == Lines{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(lines(mesh, "row") == Lines{{0, 2}, {1, 3}, {4, 6}, {5, 7}});
  CHECK(lines(mesh, "depth") == Lines{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
}

TEST_CASE("3d: weight varies fastest, then input, then output", "[mesh]") {
  const Mesh mesh = make_mode("3d", 1, {8}).mesh;
  CHECK(lines(mesh, "weight") == Lines{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(lines(mesh, "input") == Lines{{0, 2}, {1, 3}, {4, 6}, {5, 7}});
  CHECK(lines(mesh, "output") == Lines{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
}

TEST_CASE("An axis that a mesh lacks is told with the mesh", "[mesh]") {
  CHECK_THROWS_WITH(make_mode("1d", 1, {2}).mesh.axis("col"),
                    Catch::Contains("data 1 x tensor 2") && Catch::Contains("col"));
}

TEST_CASE("2d takes square numbers of ranks only", "[mesh][mode]") {
  for (const int size : {1, 4, 9, 16}) CHECK(make_mode("2d", 1, {size}).mesh.size() == size);
  for (const int size : {2, 3, 5, 8, 15}) {
    INFO("size " << size);
    CHECK_THROWS_WITH(make_mode("2d", 1, {size}), Catch::Contains("square") && Catch::Contains(std::to_string(size)));
  }
}

TEST_CASE("3d takes cubes, 2.5d depth times a square", "[mesh][mode]") {
  for (const int size : {1, 8, 27, 64}) CHECK(make_mode("3d", 1, {size}).mesh.size() == size);
  for (const int size : {2, 4, 9, 26}) CHECK_THROWS_WITH(make_mode("3d", 1, {size}), Catch::Contains("cubic"));
  CHECK(make_mode("2.5d", 1, {18, 2}).mesh.text() == "data 1 x depth 2 x row 3 x col 3");
  for (const auto& [size, depth] : {std::pair(8, 1), {8, 3}, {2, 4}, {12, 2}})
    CHECK_THROWS_WITH(make_mode("2.5d", 1, {size, depth}), Catch::Contains("depth times a square"));
}

TEST_CASE("A tensor size without a mode is refused", "[mesh][mode]") {
  CHECK_THROWS_WITH(make_mode("", 1, {4}), Catch::Contains("tensor parallelism none over 4 ranks: it takes one"));
}

TEST_CASE("Axes keep their order and say when there are too many", "[mesh]") {
  Axes axes{2, 0};
  CHECK(axes.with(1) == Axes{2, 0, 1});
  CHECK(axes.without_last() == Axes{2});
  CHECK(axes.without(2) == Axes{0});
  CHECK(axes.without(5) == axes);
  CHECK(Axes{0, 2} != axes);
  CHECK(axes.without_last().with(0) == axes);  // what was removed leaves no trace in the comparison
  for (const Axis axis : {1, 3, 4, 5}) axes.push_back(axis);
  CHECK_THROWS_AS(axes.push_back(6), Error);
}

}  // namespace
}  // namespace ctrain
