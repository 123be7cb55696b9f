// Every node of every case, forward and backward, on every backend: as a whole and cut into blocks, against the fp64
// reference kernel of the whole on the same (fp32) operands.
#include <catch2/catch.hpp>

#include "tests/ops/cases.h"

namespace ctrain::testing {
namespace {

struct Tested {
  std::string name;
  Evaluation how;
  double tolerance;
};

const std::vector<Tested> all_tested{
    {"reference fp64", {.backend = Backend::reference, .real = DType::f64}, 1e-12},
    {"reference fp32", {.backend = Backend::reference, .real = DType::f32}, 1e-5},
    {"cpu fp32", {.backend = Backend::cpu, .real = DType::f32}, 1e-5},
};

// Operands of a node, rounded to fp32 so that all backends see the same numbers.
std::vector<Tensor> operands(const Node& node, const Tensors& values) {
  std::vector<Tensor> inputs;
  for (const Value* input : node.inputs) {
    inputs.push_back(values.at(input));
    for (double& entry : inputs.back()) entry = static_cast<float>(entry);
  }
  return inputs;
}

// Calls check(name of the case, node, operands, outputs of the reference) for all nodes of all cases.
template <typename Check>
void for_each_node(const Check& check) {
  for (const OpCase& op_case : op_cases()) {
    CaseGraph subject(op_case);
    subject.differentiate();
    const Tensors values = evaluate(subject.graph, subject.given);
    for (const Node& node : subject.graph.nodes()) {
      const std::vector<Tensor> inputs = operands(node, values);
      check(op_case.name, node, inputs, NodeRunner(node, {}).run(inputs));
    }
  }
}

TEST_CASE("every kernel agrees with the fp64 reference and allocates nothing") {
  for_each_node([](const std::string& name, const Node& node, const auto& inputs, const auto& expected) {
    for (const Tested& tested : all_tested) {
      INFO(name << ", " << node.name << ", " << tested.name);
      NodeRunner runner(node, tested.how);
      const std::vector<Tensor> outputs = runner.run(inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        CHECK(relative_error(outputs[i], expected[i]) < tested.tolerance);
      CHECK(runner.run(inputs) == outputs);
      CHECK(runner.allocations() == 0);
    }
  });
}

Names all_names(const Node& node) {
  Names names;
  for (const auto* values : {&node.inputs, &node.outputs})
    for (const Value* value : *values)
      for (const Name name : value->dims)
        if (!names.contains(name)) names.push_back(name);
  return names;
}

// Ops whose operands' padding must not matter, whatever it holds.
bool selects(const Node& node) {
  const std::string& op = node.op->name;
  return op.starts_with("class_") || op == "cross_entropy_grad" || op.starts_with("squared_error");
}

// Runs the node once per block of `name` and puts the outputs together: parts where they have the name, a sum or a
// maximum where they lack it.
std::vector<Tensor> run_blocks(const Node& node, const Evaluation& how, Name name, const std::vector<Segments>& blocks,
                               const std::vector<Tensor>& inputs) {
  const Extents& extents = node.outputs[0]->graph->extents();
  std::vector<Tensor> outputs;
  for (const Segments& segments : blocks) {
    const Block block{{name, segments}};
    std::vector<Tensor> parts;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Value& input = *node.inputs[i];
      const double padding = input.dtype == DType::i32 ? -1 : selects(node) ? std::nan("") : 0;
      parts.push_back(cut(inputs[i], input.dims, extents, block, padding));
    }
    const std::vector<Tensor> results = NodeRunner(node, how, block).run(parts);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const Names& dims = node.outputs[i]->dims;
      if (outputs.size() == i)
        outputs.emplace_back(static_cast<std::size_t>(node.outputs[i]->graph->elements(dims)), -INFINITY);
      const auto elements = logical_elements(dims, extents, block);
      for (std::size_t j = 0; j < elements.size(); ++j) {
        if (elements[j] < 0) continue;
        double& entry = outputs[i][static_cast<std::size_t>(elements[j])];
        const bool add = entry != -INFINITY && node.op->reduction == Reduction::sum;
        entry = add ? entry + results[i][j] : std::max(entry, results[i][j]);
      }
    }
  }
  return outputs;
}

TEST_CASE("blocks, padded or not, give the numbers of the whole") {
  for_each_node([](const std::string& case_name, const Node& node, const auto& inputs, const auto& expected) {
    for (const Name name : all_names(node)) {
      if (node.op->whole.contains(name)) continue;
      const std::int64_t extent = node.outputs[0]->graph->extent(name);
      for (const auto& [parts, zigzag] : {std::pair{2, false}, std::pair{3, false}, std::pair{2, true}})
        for (const Tested& tested : all_tested) {
          INFO(case_name << ", " << node.name << ", " << tested.name << ", " << name.text() << " in " << parts
                         << (zigzag ? " zigzag" : "") << " parts");
          const auto outputs = run_blocks(node, tested.how, name, split(extent, parts, zigzag), inputs);
          for (std::size_t i = 0; i < outputs.size(); ++i)
            CHECK(relative_error(outputs[i], expected[i]) < tested.tolerance);
        }
    }
  });
}

// The tokens are all there, but the last of them come first, and there is one more: padding, as in a sequence that is
// stored in zigzag order and does not divide.
TEST_CASE("attention goes by logical tokens, not by their place") {
  for_each_node([](const std::string& case_name, const Node& node, const auto& inputs, const auto& expected) {
    if (!node.op->name.starts_with("attention")) return;
    const Extents& extents = node.outputs[0]->graph->extents();
    const std::int64_t tokens = extents.at({'s'}), front = tokens / 2;
    const Block block{{{'s'}, {{{{front, tokens + 1 - front}, {0, front}}}}}};
    std::vector<Tensor> moved;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      moved.push_back(cut(inputs[i], node.inputs[i]->dims, extents, block, i == 0 ? 3 : 0));
    for (const Tested& tested : all_tested) {
      INFO(case_name << ", " << node.name << ", " << tested.name);
      const std::vector<Tensor> outputs = NodeRunner(node, tested.how, block).run(moved);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const Names& dims = node.outputs[i]->dims;
        const auto elements = logical_elements(dims, extents, block);
        Tensor tokens_only(expected[i].size());
        for (std::size_t j = 0; j < elements.size(); ++j) {
          if (elements[j] >= 0) tokens_only[static_cast<std::size_t>(elements[j])] = outputs[i][j];
          if (elements[j] < 0 && node.op->name == "attention_grad") CHECK(outputs[i][j] == 0);
        }
        CHECK(relative_error(tokens_only, expected[i]) < tested.tolerance);
      }
    }
  });
}

TEST_CASE("padding of classes and of unlabelled rows gets a zero gradient") {
  Graph graph(DType::f64);
  graph.set_extent({'b'}, 3);
  graph.set_extent({'c'}, 5);
  Value* x = graph.parameter("x", "bc", ParameterRole::linear, {});
  Value* labels = graph.input("labels", "b", DType::i32);
  Value *largest = graph.input("m", "b", DType::f64), *sum = graph.input("e", "b", DType::f64);
  graph.apply("cross_entropy_grad", {x, largest, sum, labels, graph.input("count", {}, DType::f64)},
              {{"smoothing", 0.1}});
  const double nan = std::nan("");
  const Block block{{{'b'}, {{{{2, 2}, {}}}}}, {{'c'}, {{{{4, 2}, {}}}}}};  // one row and one class of four are there
  for (const Tested& tested : all_tested) {
    const auto run = [&](double label) {
      return NodeRunner(graph.nodes()[0], tested.how, block)
          .run({{0.5, nan, nan, nan}, {0.5, nan}, {2, 0}, {label, -1}, {1}})[0];
    };
    CHECK(relative_error(run(4), {0.5 - 0.92, 0, 0, 0}) < tested.tolerance);
    CHECK(run(-1) == Tensor{0, 0, 0, 0});
  }
}

}  // namespace
}  // namespace ctrain::testing
