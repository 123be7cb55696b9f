// What drives every op through the table of cases.
#include <catch2/catch.hpp>
#include <set>

#include "tests/ops/cases.h"

namespace ctrain::testing {
namespace {

TEST_CASE("every op stands in the table of cases") {
  std::set<std::string> tested;
  for (const OpCase& op_case : op_cases()) {
    CaseGraph subject(op_case);
    subject.differentiate();
    for (const Node& node : subject.graph.nodes()) tested.insert(node.op->name);
  }
  for (const std::string& name : Registry<OpDefinition>::instance().names()) {
    INFO(name << " stands in no case of tests/ops/cases.cpp");
    CHECK(tested.contains(name));
  }
}

TEST_CASE("every op has a reference kernel in every element type") {
  for (const std::string& name : Registry<OpDefinition>::instance().names())
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      INFO(name << " in " << name_of(dtype));
      CHECK(KernelTable::instance().find(Backend::reference, name, dtype) != nullptr);
    }
}

// Σ seed · root, or the loss itself.
double objective(const CaseGraph& subject, const Tensors& values) {
  const Tensor& root = values.at(subject.root);
  if (subject.seed == nullptr) return root[0];
  double total = 0;
  for (std::size_t i = 0; i < root.size(); ++i) total += subject.given.at(subject.seed)[i] * root[i];
  return total;
}

TEST_CASE("gradients equal central finite differences") {
  constexpr double step = 1e-4;
  for (const OpCase& op_case : op_cases()) {
    CaseGraph subject(op_case);
    if (subject.root == nullptr) continue;
    Evaluator forward(subject.graph);
    subject.differentiate();
    const Tensors values = evaluate(subject.graph, subject.given);
    for (const Value* parameter : subject.graph.parameters()) {
      INFO(op_case.name << ", gradient of " << parameter->name);
      REQUIRE(subject.gradients.contains(parameter));
      const Tensor& gradient = values.at(subject.gradients.at(parameter));
      Tensor differences;
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        const auto moved = [&](double by) {
          Tensors given = subject.given;
          given[parameter][i] += by;
          return objective(subject, forward.run(given));
        };
        differences.push_back((moved(step) - moved(-step)) / (2 * step));
      }
      double largest = 1;
      for (const double entry : gradient) largest = std::max(largest, std::abs(entry));
      REQUIRE(gradient.size() == differences.size());
      for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(std::abs(gradient[i] - differences[i]) < 1e-7 * largest);
    }
  }
}

}  // namespace
}  // namespace ctrain::testing
