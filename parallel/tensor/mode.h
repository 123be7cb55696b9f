// A tensor-parallel mode is a small table from dimension names to mesh axes; the partition pass does the rest. One file
// per mode (mode_1d.cpp, mode_2d.cpp ...), which registers itself. Data parallelism is part of every mode: the batch is
// split over `data`.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "memory/registry.h"
#include "parallel/layout.h"
#include "parallel/mesh.h"

namespace ctrain {

using AxisTable = std::map<char, Axes>;  // by the letter of a dimension's name

struct Mode {
  std::string name;
  Mesh mesh;

  AxisTable stream;     // activations of the residual stream (and all others without an inner feature)
  AxisTable inner;      // activations with a feature inside a block: n, f, v
  AxisTable embedding;  // the table lookup
  bool summa = false;   // products of two features run as SUMMA, where two names want the same axis

  // The stored layout of a parameter (its gradient and its optimizer states have the same).
  std::function<Layout(const Value& parameter, const Mode& mode, const Dimensions& dimensions)> stored;

  // What every extent of a dimension is rounded up to; 1 where it is not listed.
  std::map<char, std::int64_t> multiples;

  [[nodiscard]] const AxisTable& table(const Names& dims) const;
  [[nodiscard]] Dimensions dimensions(const std::map<Name, std::int64_t>& extents) const;
};

// Names that a mode may split as features: h is the residual stream, the others lie inside a block.
[[nodiscard]] bool is_inner_feature(Name name);  // n f v
[[nodiscard]] bool is_feature(Name name);        // h n f v
[[nodiscard]] Names features(const Names& dims);

[[nodiscard]] Axes lookup(const AxisTable& table, Name name);

// The layout of a value whose dimensions are split as the table says.
[[nodiscard]] Layout layout_from(const AxisTable& table, const Names& dims);

// The layout in which a parameter is stored; also that of its gradient and its optimizer states (values `like` it).
[[nodiscard]] Layout stored_layout(const Value& value, const Mode& mode, const Dimensions& dimensions);

// Splits one more axis: on the parameter's output dimension if that divides, else on the last one that does.
void fold_axis(Layout& layout, const Value& parameter, Axis axis, const Mode& mode, const Dimensions& dimensions);

struct ModeDefinition {
  // The mode's mesh axes for `size` ranks, slowest first; throws a usage error that names the mode's rule.
  std::function<std::vector<MeshAxis>(int size)> axes;
  std::function<void(Mode& mode)> fill;  // the tables, once the mesh stands
};
using ModeRegistration = Registration<ModeDefinition>;

// The mode `name` ("" or "none": no tensor parallelism) over `size` ranks, times `data` replicas.
[[nodiscard]] Mode make_mode(const std::string& name, int data, int size);

}  // namespace ctrain
