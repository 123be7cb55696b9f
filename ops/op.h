// The one way to declare an op. An op states its facts in one place: name, shape rule, gradient as graph ops, FLOPs,
// and what becomes of a name that its output lacks while that name is split over ranks. Kernels are apart
// (ops/kernel.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "memory/registry.h"
#include "ops/graph.h"

namespace ctrain {

// How the parts of a value that is partial over some mesh axes make the whole.
enum class Reduction : std::uint8_t { sum, max };

struct OutputSpec {
  Names dims;
  DType dtype;
};

// In which order the partition pass asks an op's values for how their dimensions lie on the mesh.
enum class ClaimOrder : std::uint8_t {
  main_operand,  // the first operand, then the mode's table for the output, then the other operands
  product,       // the mode's table for the output, then the operands
  lookup,        // the mode's table for embeddings
};

struct OpDefinition {
  std::string name;

  // The shape rule: checks the operands' dimensions, returns those of the outputs.
  std::function<std::vector<OutputSpec>(const std::vector<Value*>& inputs, const Attributes& attributes)> infer;

  // The gradient with respect to input `i`, built from graph ops, given that of the first output; nullptr where there
  // is none (labels, statistics whose part of the gradient is in another op).
  std::function<Value*(const Node& node, Value* dy, std::size_t i)> gradient = nullptr;

  // Multiplications and additions of one evaluation, from the extents of its operands' dimensions: those of the whole
  // graph, or those of a rank's part. nullptr: not counted (elementwise work).
  std::function<double(const Extents& extents, const Attributes& attributes)> flops = nullptr;

  Reduction reduction = Reduction::sum;  // of a split name that the outputs lack
  ClaimOrder claims = ClaimOrder::main_operand;
  Names whole = {};                // names that must not be split: the op looks across them
  bool ring = false;               // attention: split tokens may go round a ring of ranks instead
  bool additive = false;           // lets equal partial values pass through (a sum of values)
  std::vector<int> in_place = {};  // updates: output i is input in_place[i], overwritten
  bool activations = false;        // products and their like: takes real operands in the type of activations
  bool widens = false;             // sums: may write its output in a wider type than its operands'
  int overwrites = -1;             // elementwise in this operand: the output may take its memory where it dies
};

// Declares an op: static const Registration<OpDefinition> …, one file under ops/definitions/.
using OpRegistration = Registration<OpDefinition>;

}  // namespace ctrain
