#include "parallel/mesh.h"

#include <algorithm>

#include "memory/error.h"

namespace ctrain {

bool Axes::contains(Axis axis) const { return std::find(begin(), end(), axis) != end(); }

Axes Axes::with(Axis axis) const {
  Axes result = *this;
  result.push_back(axis);
  return result;
}

Axes Axes::without_last() const {
  Axes result = *this;
  result.axes_[--result.size_] = 0;
  return result;
}

Axes Axes::without(Axis axis) const {
  Axes result;
  for (const Axis other : *this)
    if (other != axis) result.push_back(other);
  return result;
}

void Axes::push_back(Axis axis) {
  require(size_ < axes_.size(), "a dimension is split over more than {} axes", axes_.size());
  axes_[size_++] = axis;
}

Mesh::Mesh(std::vector<MeshAxis> axes) : axes_(std::move(axes)), stride_(axes_.size()) {
  for (std::size_t i = axes_.size(); i-- > 0;) {
    require(axes_[i].size > 0, "mesh axis {} has size {}", axes_[i].name, axes_[i].size);
    stride_[i] = size_;
    size_ *= axes_[i].size;
  }
}

std::optional<Axis> Mesh::find(const std::string& name) const {
  for (std::size_t i = 0; i < axes_.size(); ++i)
    if (axes_[i].name == name) return static_cast<Axis>(i);
  return std::nullopt;
}

Axis Mesh::axis(const std::string& name) const {
  if (const std::optional<Axis> found = find(name)) return *found;
  throw running_error("the mesh {} has no axis {}", text(), name);
}

int Mesh::size(const Axes& axes) const {
  int product = 1;
  for (const Axis axis : axes) product *= size(axis);
  return product;
}

Axes Mesh::without_trivial(const Axes& axes) const {
  Axes result;
  for (const Axis axis : axes)
    if (size(axis) > 1) result.push_back(axis);
  return result;
}

int Mesh::coordinate(int rank, Axis axis) const { return rank / stride_[axis] % axes_[axis].size; }

int Mesh::block(int rank, const Axes& axes) const {
  int block = 0;
  for (const Axis axis : axes) block = block * size(axis) + coordinate(rank, axis);
  return block;
}

std::vector<int> Mesh::line(int rank, Axis axis) const {
  std::vector<int> ranks;
  const int first = rank - coordinate(rank, axis) * stride_[axis];
  for (int i = 0; i < size(axis); ++i) ranks.push_back(first + i * stride_[axis]);
  return ranks;
}

std::string Mesh::text() const {
  std::string result;
  for (const MeshAxis& axis : axes_)
    result += fmt::format("{}{} {}", result.empty() ? "" : " x ", axis.name, axis.size);
  return result;
}

std::string Mesh::coordinate_text(int rank) const {
  std::string result;
  for (std::size_t i = 0; i < axes_.size(); ++i)
    result += fmt::format("{}{} {}", i == 0 ? "" : ", ", axes_[i].name, coordinate(rank, static_cast<Axis>(i)));
  return result;
}

}  // namespace ctrain
