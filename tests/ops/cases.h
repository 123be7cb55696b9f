// The one table that drives the tests of ops: gradients by finite differences, backends against the reference, blocks
// against the whole. Each case is a small graph; an op that stands in no case fails the suite.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "ops/autodiff.h"
#include "ops/graph.h"
#include "tests/support/blocks.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {

struct OpCase {
  std::string name;  // what it is and its extents, for messages
  Extents extents;
  // Builds the op out of parameters (real operands whose gradients are checked) and inputs; returns the value to
  // differentiate, or nullptr where there is nothing to differentiate.
  std::function<Value*(Graph&)> build;
};

std::vector<OpCase> op_cases();
// Cases at sizes that reach the vectorised and parallel paths of kernels, with their remainders.
std::vector<OpCase> large_cases();

// An op that the fusion pass makes of several: it stands in no graph.
struct FusedCase {
  [[nodiscard]] LocalNode node(DType real) const;
  [[nodiscard]] std::vector<Tensor> numbers() const;  // for its operands

  std::string op;
  Extents extents;
  std::vector<Names> inputs, outputs;
  std::vector<int> overwrites = {};  // operands whose memory an output may take,
  std::size_t overwriting = 0;       // this one
};

std::vector<FusedCase> fused_cases();
// Those of them that are products of b, s, h and f: with weights as [in, out] and [out, in], operands in either order.
std::vector<FusedCase> product_cases(const Extents& extents);

// A case as a graph with values for everything that is not computed. Reals are uniform in [-1, 1) (states, which may be
// second moments, in [0, 1)); integers index dimension v or c, and some are -1.
class CaseGraph {
 public:
  explicit CaseGraph(const OpCase& op_case, const Precision& precision = DType::f64);

  void differentiate();  // appends the backward pass, if the case has one

  Graph graph;
  Value* root;
  Value* seed = nullptr;  // the gradient of a root that is no loss
  Gradients gradients;
  Tensors given;

 private:
  void give(const Value* value);
};

}  // namespace ctrain::testing
