// The mesh: ranks as points on named axes, slowest first. The order is Colossal-AI's: data, pipe, then the axes of the
// tensor mode (2d: row, col; 1d: tensor ...), so rank = row-major index of the coordinate.
// A line of the mesh along axis `col` (fixed row) is the group that Colossal-AI's documents call 2D_ROW, and a line
// along `row` is their 2D_COL.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ctrain {

using Axis = std::uint8_t;  // position of an axis in its mesh

// A few axes, coarsest first: how one dimension is split.
class Axes {
 public:
  constexpr Axes() = default;
  Axes(std::initializer_list<Axis> axes) {
    for (const Axis axis : axes) push_back(axis);
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Axis back() const { return axes_[size_ - 1U]; }
  [[nodiscard]] const Axis* begin() const { return axes_.data(); }
  [[nodiscard]] const Axis* end() const { return axes_.data() + size_; }
  [[nodiscard]] bool contains(Axis axis) const;
  [[nodiscard]] Axes with(Axis axis) const;     // one finer axis
  [[nodiscard]] Axes without_last() const;      // without the finest
  [[nodiscard]] Axes without(Axis axis) const;  // without this one, wherever it stands
  void push_back(Axis axis);
  auto operator<=>(const Axes&) const = default;

 private:
  std::array<Axis, 6> axes_{};  // unused entries stay zero, so that comparison is memberwise
  std::uint8_t size_ = 0;
};

struct MeshAxis {
  std::string name;
  int size = 1;
};

class Mesh {
 public:
  Mesh() = default;
  explicit Mesh(std::vector<MeshAxis> axes);
  [[nodiscard]] int size() const { return size_; }  // ranks
  [[nodiscard]] const std::vector<MeshAxis>& axes() const { return axes_; }
  [[nodiscard]] Axis axis(const std::string& name) const;  // throws where there is none
  [[nodiscard]] std::optional<Axis> find(const std::string& name) const;
  [[nodiscard]] const std::string& name(Axis axis) const { return axes_[axis].name; }
  [[nodiscard]] int size(Axis axis) const { return axes_[axis].size; }
  [[nodiscard]] int size(const Axes& axes) const;              // product
  [[nodiscard]] Axes without_trivial(const Axes& axes) const;  // those of more than one rank: layouts mention no others
  [[nodiscard]] int coordinate(int rank, Axis axis) const;
  // Which block of a dimension that is split over `axes` a rank holds.
  [[nodiscard]] int block(int rank, const Axes& axes) const;
  // The ranks of the line along `axis` through `rank`, by coordinate.
  [[nodiscard]] std::vector<int> line(int rank, Axis axis) const;
  [[nodiscard]] std::string text() const;                     // "data 2 x row 2 x col 2"
  [[nodiscard]] std::string coordinate_text(int rank) const;  // "data 0, row 1, col 0"

 private:
  std::vector<MeshAxis> axes_;
  std::vector<int> stride_;
  int size_ = 1;
};

}  // namespace ctrain
