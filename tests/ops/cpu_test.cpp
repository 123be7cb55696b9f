// The fp32 CPU kernels at sizes that reach their vectorised and parallel paths, with their remainders: against the fp64
// reference kernel on the same operands. (The table of cases has the small and odd shapes.)
#include <catch2/catch.hpp>

#include "tests/ops/cases.h"
#include "tests/support/threads.h"

namespace ctrain::testing {
namespace {

// Operands rounded to fp32, so that both backends see the same numbers.
std::vector<Tensor> operands(const Node& node, const Tensors& values) {
  std::vector<Tensor> inputs;
  for (const Value* input : node.inputs) {
    inputs.push_back(values.at(input));
    for (double& entry : inputs.back()) entry = static_cast<float>(entry);
  }
  return inputs;
}

const Evaluation cpu{.backend = Backend::cpu, .real = DType::f32};

void check(const LocalNode& local, const std::vector<Tensor>& inputs, const std::vector<Tensor>& expected) {
  for (const int count : {1, 2, 3}) {
    INFO(local.name << ", " << count << " threads");
    const Threads threads(count);
    NodeRunner runner(local, {}, cpu);
    const std::vector<Tensor> outputs = runner.run(inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) CHECK(relative_error(outputs[i], expected[i]) < 1e-5);
    CHECK(runner.run(inputs) == outputs);
    CHECK(runner.allocations() == 0);
  }
}

TEST_CASE("cpu kernels of large operands agree with the fp64 reference, whatever the number of threads") {
  for (const OpCase& op_case : large_cases()) {
    INFO(op_case.name);
    CaseGraph subject(op_case);
    subject.differentiate();
    const Tensors values = evaluate(subject.graph, subject.given);
    for (const Node& node : subject.graph.nodes()) {
      const std::vector<Tensor> inputs = operands(node, values);
      check(local_node(node, cpu), inputs, NodeRunner(node, {}).run(inputs));
    }
  }
}

TEST_CASE("fused cpu kernels agree with the composition of their parts, whatever the number of threads") {
  for (const FusedCase& fused : fused_cases()) {
    std::vector<Tensor> inputs;
    for (const Tensor& tensor : fused.numbers()) inputs.push_back(rounded(tensor, DType::f32));
    check(fused.node(DType::f32), inputs, NodeRunner(fused.node(DType::f64), {}, {}).run(inputs));
  }
}

}  // namespace
}  // namespace ctrain::testing
