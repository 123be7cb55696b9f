// A tensor-parallel mode is a small table from dimension names to mesh axes; the partition pass does the rest. One file
// per mode (mode_1d.cpp, mode_2d.cpp ...), which registers itself. Data parallelism is part of every mode: the batch is
// split over `data`.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "memory/registry.h"
#include "parallel/layout.h"
#include "parallel/mesh.h"

namespace ctrain {

inline constexpr const char* pipeline_axis = "pipe";  // of the stages, where there are several

using AxisTable = std::map<char, Axes>;  // by the letter of a dimension's name

// One entry of the configuration's `layout`: the parameters whose names fit `pattern` (`*` stands for any text) have
// dimension `dimension` of their public shape (negative: from the end) split over the tensor axes, or, where there is
// none, lie whole on every rank of the tensor group.
struct LayoutWish {
  std::string pattern;
  std::optional<int> dimension;
};

struct Mode {
  std::string name;
  Mesh mesh;

  AxisTable stream;     // activations of the residual stream (and all others without an inner feature)
  AxisTable inner;      // activations with a feature inside a block: n, f, v
  AxisTable embedding;  // the table lookup
  AxisTable product;    // how products of two features run, where that is not what their operands' tables say (3d)
  bool summa = false;   // products of two features run as SUMMA, where two names want the same axis
  Axes ring;            // attention runs as a ring over the axis that splits the tokens

  // The stored layout of a parameter (its gradient and its optimizer states have the same).
  std::function<Layout(const Value& parameter, const Mode& mode, const Dimensions& dimensions)> stored;

  // What every extent of a dimension is rounded up to; 1 where it is not listed.
  std::map<char, std::int64_t> multiples;
  // What widths (of h and f) must divide by, so that every parameter can be stored as the mode says.
  std::int64_t widths = 1;

  // Wanted layouts of parameters: the first pattern that fits a name comes before the mode's own rule.
  std::vector<LayoutWish> wishes;

  [[nodiscard]] const AxisTable& table(const Names& dims) const;
  [[nodiscard]] Dimensions dimensions(const Graph& graph) const;
};

// Names that a mode may split as features: h is the residual stream, the others lie inside a block.
[[nodiscard]] bool is_inner_feature(Name name);  // n f v
[[nodiscard]] bool is_feature(Name name);        // h n f v
[[nodiscard]] Names features(const Names& dims);

[[nodiscard]] Axes lookup(const AxisTable& table, Name name);

// The layout of a value whose dimensions are split as the table says.
[[nodiscard]] Layout layout_from(const AxisTable& table, const Names& dims);

// The layout in which a parameter is stored; also that of its gradient and its optimizer states (values `like` it).
// rule_layout is the mode's own; stored_layout also heeds the mode's wishes.
[[nodiscard]] Layout rule_layout(const Value& value, const Mode& mode, const Dimensions& dimensions);
[[nodiscard]] Layout stored_layout(const Value& value, const Mode& mode, const Dimensions& dimensions);

// Splits one more axis: on the parameter's output dimension if that divides, else on the last one that does. Where none
// does, a vector lies whole on that axis, and a weight is a usage error.
void fold_axis(Layout& layout, const Value& parameter, Axis axis, const Mode& mode, const Dimensions& dimensions);

struct TensorSize {
  int size = 1;   // ranks
  int depth = 1;  // of 2.5d
};

struct ModeDefinition {
  std::string rule;  // which sizes it takes, for messages: "a square"
  // The mode's mesh axes, slowest first; empty where it does not take this size.
  std::function<std::vector<MeshAxis>(const TensorSize& tensor)> axes;
  std::function<void(Mode& mode)> fill;  // the tables, once the mesh stands
};
using ModeRegistration = Registration<ModeDefinition>;

[[nodiscard]] bool takes(const ModeDefinition& definition, const TensorSize& tensor);

// The mode `name` ("" or "none": no tensor parallelism) over `tensor.size` ranks, times `data` replicas, times
// `pipeline` stages (the axis `pipe`, where there are several).
[[nodiscard]] Mode make_mode(const std::string& name, int data, const TensorSize& tensor, int pipeline = 1);

}  // namespace ctrain
