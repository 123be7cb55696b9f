// A layout says how a logical tensor lies on the mesh: for each dimension the axes that split it, coarsest first, and
// the axes on which the local values are only parts of a sum (or maximum). On every other axis it is replicated.
// Data parallelism, Megatron's columns and rows, and ZeRO's shards are all layouts.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ops/graph.h"
#include "ops/kernel.h"
#include "ops/op.h"
#include "parallel/mesh.h"

namespace ctrain {

struct Layout {
  std::array<Axes, Names::capacity> split{};  // one per dimension; unused entries stay empty
  Axes partial;                               // ascending
  Reduction reduction = Reduction::sum;

  auto operator<=>(const Layout&) const = default;
  [[nodiscard]] Axes& of(const Names& dims, Name name) { return split[static_cast<std::size_t>(dims.index(name))]; }
  [[nodiscard]] const Axes& of(const Names& dims, Name name) const {
    return split[static_cast<std::size_t>(dims.index(name))];
  }
  [[nodiscard]] bool uses(Axis axis) const;
  [[nodiscard]] Axes all() const;                                             // every axis that splits a dimension
  [[nodiscard]] Layout resolved() const;                                      // the same split, nothing partial
  void add_partial(Axis axis);                                                // keeps the order
  [[nodiscard]] std::string text(const Names& dims, const Mesh& mesh) const;  // "b(row) s h(col) + sum over data"
};

// Extents of the dimensions on this mesh. Padding belongs to a dimension, the same in every layout, so that the blocks
// of two layouts always agree: a dimension is rounded up to a multiple that fits every layout in which its mode splits
// it. So does the order in which its elements are stored: a zigzag dimension is cut into 2P chunks and stored as
// (0, 2P-1), (1, 2P-2) ..., one pair for each of P ranks, so that every rank has as many pairs of query and earlier
// key.
class Dimensions {
 public:
  void set(Name name, std::int64_t extent, std::int64_t multiple);
  void set_zigzag(Name name, std::int64_t ranks);  // after set()
  [[nodiscard]] std::int64_t extent(Name name) const { return of(name).extent; }
  [[nodiscard]] std::int64_t padded(Name name) const { return of(name).padded; }
  [[nodiscard]] Extents extents() const;
  // The logical indices at `length` places of the storage from `start` on: at most two runs, so a zigzag dimension is
  // asked for a rank's pair of chunks or a part of it.
  [[nodiscard]] Segments stored(Name name, std::int64_t start, std::int64_t length) const;
  // Local extents of a value in a layout.
  [[nodiscard]] std::vector<std::int64_t> local_shape(const Names& dims, const Layout& layout, const Mesh& mesh) const;
  // Elements of a rank's block.
  [[nodiscard]] std::int64_t local_elements(const Names& dims, const Layout& layout, const Mesh& mesh) const;

 private:
  struct Dimension {
    std::int64_t extent = 0, padded = 0;
    std::int64_t zigzag = 0;  // P, or 0: stored in order
  };
  [[nodiscard]] const Dimension& of(Name name) const;
  std::map<Name, Dimension> dimensions_;
};

}  // namespace ctrain
