// Every node of every case, forward and backward, on every backend that has a device here: as a whole and cut into
// blocks, against the fp64 reference kernel of the whole on the same operands.
#include <catch2/catch.hpp>

#include <fmt/ranges.h>

#include <set>

#include "ops/build.h"
#include "ops/cuda/precision.h"
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
    {"reference bf16", {.backend = Backend::reference, .real = DType::bf16}, 1e-2},
    {"reference fp16", {.backend = Backend::reference, .real = DType::f16}, 1e-2},
    {"cpu fp32", {.backend = Backend::cpu, .real = DType::f32}, 1e-5},
    {"cpu bf16", {.backend = Backend::cpu, .real = DType::bf16}, 1e-2},
    {"cuda fp32", {.backend = Backend::cuda, .real = DType::f32}, 1e-5},
    {"cuda bf16", {.backend = Backend::cuda, .real = DType::bf16}, 1e-2},
    {"cuda fp16", {.backend = Backend::cuda, .real = DType::f16}, 1e-2},
};

std::vector<Tested> cuda_tested() {
  std::vector<Tested> result = all_tested;
  std::erase_if(result, [](const Tested& tested) { return tested.how.backend != Backend::cuda; });
  return result;
}

// Does the backend run this node here? On the host the reference stands in for what a backend lacks.
bool runs(const Tested& tested, const LocalNode& node) {
  const Backend backend = tested.how.backend;
  return backend != Backend::cuda ||
         (has_device(backend) && KernelTable::instance().find(backend, node.op, kernel_type(node)) != nullptr);
}

// What operands of a type are rounded to beforehand, so that the reference sees the same numbers. fp64 too gets those
// of fp32.
DType stored(DType type) { return type == DType::f64 ? DType::f32 : type; }

// bf16 and fp16 are tested as activations beside fp32.
Precision precision(const Tested& tested) {
  return size_of(tested.how.real) == 2 ? Precision(DType::f32, tested.how.real) : DType::f64;
}

struct Subject {
  const std::string& case_name;
  const Node& node;
  const Tested& tested;
  std::vector<Tensor> inputs;    // as the tested kernel sees them
  std::vector<Tensor> expected;  // what the reference makes of them
};

// Calls check(subject) for all nodes of the cases on all backends.
template <typename Check>
void for_each_node(const std::vector<OpCase>& cases, const std::vector<Tested>& backends, const Check& check) {
  for (const OpCase& op_case : cases)
    for (const Tested& tested : backends) {
      CaseGraph graph(op_case, precision(tested));
      graph.differentiate();
      for (auto& [value, tensor] : graph.given)
        if (is_real(value->dtype)) tensor = rounded(tensor, stored(tested.how.real));
      const Tensors values = evaluate(graph.graph, graph.given);
      for (const Node& node : graph.graph.nodes()) {
        const LocalNode local = local_node(node, tested.how);
        if (!runs(tested, local)) continue;
        std::vector<Tensor> inputs;
        for (std::size_t i = 0; i < node.inputs.size(); ++i)
          inputs.push_back(rounded(values.at(node.inputs[i]), stored(local.inputs[i].dtype)));
        std::vector<Tensor> expected = NodeRunner(node, {}).run(inputs);  // which in fp16 may be an infinity
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = rounded(expected[i], local.outputs[i].dtype);
        INFO(op_case.name << ", " << node.name << ", " << tested.name);
        check(Subject{op_case.name, node, tested, inputs, expected});
      }
    }
}

void check_outputs(const std::vector<Tensor>& outputs, const Subject& subject) {
  for (std::size_t i = 0; i < outputs.size(); ++i)
    CHECK(relative_error(outputs[i], subject.expected[i]) < subject.tested.tolerance);
}

TEST_CASE("CUDA has a kernel for every op in every type") {
  if (!has_device(Backend::cuda)) {
    WARN("skipped: CUDA's kernels, since there is no GPU");
    return;
  }
  for (const Tested& tested : cuda_tested()) {
    std::set<std::string> missing;
    for (const std::string& name : Registry<OpDefinition>::instance().names()) missing.insert(name);
    for (const FusedCase& fused : fused_cases()) missing.insert(fused.op);
    std::erase_if(missing, [&](const std::string& name) {
      return KernelTable::instance().find(Backend::cuda, name, tested.how.real) != nullptr;
    });
    INFO(tested.name << " has no kernel for " << fmt::format("{}", fmt::join(missing, ", ")));
    CHECK(missing.empty());
  }
}

void check_kernel(const Subject& subject) {
  NodeRunner runner(subject.node, subject.tested.how);
  const std::vector<Tensor> outputs = runner.run(subject.inputs);
  check_outputs(outputs, subject);
  CHECK(runner.run(subject.inputs) == outputs);
  CHECK(runner.allocations() == 0);
}

TEST_CASE("every kernel agrees with the fp64 reference and allocates nothing") {
  for_each_node(op_cases(), all_tested, check_kernel);
}

TEST_CASE("Products in TF32 agree with the fp64 reference") {
  if (!has_device(Backend::cuda)) return;
  const std::vector<Tested> tf32{{"cuda TF32", {.backend = Backend::cuda, .real = DType::f32}, 1e-3}};
  cuda::tf32_allowed() = true;
  for_each_node(op_cases(), tf32, check_kernel);
  for_each_node(large_cases(), tf32, check_kernel);
  cuda::tf32_allowed() = false;
}

TEST_CASE("CUDA's kernels of large operands agree with the fp64 reference") {
  if (has_device(Backend::cuda)) for_each_node(large_cases(), cuda_tested(), check_kernel);
}

TEST_CASE("fused kernels agree with the composition of their parts") {
  for (const FusedCase& fused : fused_cases())
    for (const Tested& tested : all_tested) {
      const LocalNode node = fused.node(tested.how.real);
      if (!runs(tested, node)) continue;
      INFO(fused.op << " of " << node.inputs.size() << ", " << tested.name);
      std::vector<Tensor> inputs = fused.numbers();
      for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = rounded(inputs[i], stored(node.inputs[i].dtype));
      const std::vector<Tensor> expected = NodeRunner(fused.node(DType::f64), {}, {}).run(inputs);
      NodeRunner runner(node, {}, tested.how);
      const std::vector<Tensor> outputs = runner.run(inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        CHECK(relative_error(outputs[i], expected[i]) < tested.tolerance);
      CHECK(runner.run(inputs) == outputs);
      CHECK(runner.allocations() == 0);
      for (const int operand : fused.overwrites) {
        LocalNode over = node;
        over.overwrites = operand;
        over.overwriting = static_cast<int>(fused.overwriting);
        std::vector<int> in_place(fused.overwriting, -1);
        in_place.push_back(operand);
        CHECK(NodeRunner(over, in_place, tested.how).run(inputs) == outputs);
      }
    }
}

TEST_CASE("kernels that may overwrite an operand give the same numbers when they do") {
  for_each_node(op_cases(), all_tested, [](const Subject& subject) {
    const int overwritten = subject.node.op->overwrites;
    if (overwritten < 0) return;
    LocalNode local = local_node(subject.node, subject.tested.how);
    local.overwrites = overwritten;
    check_outputs(NodeRunner(local, {overwritten}, subject.tested.how).run(subject.inputs), subject);
  });
}

TEST_CASE("A fused product that is to be added to its output is refused") {
  for (const FusedCase& fused : fused_cases())
    for (const Tested& tested : all_tested) {
      LocalNode node = fused.node(tested.how.real);
      if (fused.op.starts_with("layer_norm") || fused.op == "linear" || !runs(tested, node)) continue;
      node.accumulate = true;
      CHECK_THROWS_WITH(KernelTable::instance().make(tested.how.backend, node),
                        Catch::Contains(fused.op + " cannot accumulate"));
    }
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

// Outputs put together out of those of blocks: parts where they have the blocks' name, a sum or a maximum where they
// lack it.
struct Whole {
  Tensor numbers;
  double largest_part = 0;  // a sum of rounded parts is as exact as they are
};

// Runs the node once per block of `name`.
std::vector<Whole> run_blocks(const Node& node, const Evaluation& how, Name name, const std::vector<Segments>& blocks,
                              const std::vector<Tensor>& inputs) {
  const Extents& extents = node.outputs[0]->graph->extents();
  std::vector<Whole> outputs;
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
        outputs.push_back({Tensor(static_cast<std::size_t>(node.outputs[i]->graph->elements(dims)), -INFINITY)});
      const auto elements = logical_elements(dims, extents, block);
      for (std::size_t j = 0; j < elements.size(); ++j) {
        if (elements[j] < 0) continue;
        double& entry = outputs[i].numbers[static_cast<std::size_t>(elements[j])];
        outputs[i].largest_part = std::max(outputs[i].largest_part, std::abs(results[i][j]));
        const bool add = entry != -INFINITY && node.op->reduction == Reduction::sum;
        entry = add ? entry + results[i][j] : std::max(entry, results[i][j]);
      }
    }
  }
  return outputs;
}

TEST_CASE("blocks, padded or not, give the numbers of the whole") {
  for_each_node(op_cases(), all_tested, [](const Subject& subject) {
    const Node& node = subject.node;
    for (const Name name : all_names(node)) {
      if (node.op->whole.contains(name)) continue;
      const std::int64_t extent = node.outputs[0]->graph->extent(name);
      for (const auto& [parts, zigzag] : {std::pair{2, false}, std::pair{3, false}, std::pair{2, true}}) {
        INFO(name.text() << " in " << parts << (zigzag ? " zigzag" : "") << " parts");
        const auto outputs = run_blocks(node, subject.tested.how, name, split(extent, parts, zigzag), subject.inputs);
        for (std::size_t i = 0; i < outputs.size(); ++i)
          CHECK(relative_error(outputs[i].numbers, subject.expected[i], outputs[i].largest_part) <
                subject.tested.tolerance);
      }
    }
  });
}

// The tokens are all there, but the last of them come first, and there is one more: padding, as in a sequence that is
// stored in zigzag order and does not divide.
TEST_CASE("attention goes by logical tokens, not by their place") {
  for_each_node(op_cases(), all_tested, [](const Subject& subject) {
    const auto& [case_name, node, tested, inputs, expected] = subject;
    if (!node.op->name.starts_with("attention")) return;
    const Extents& extents = node.outputs[0]->graph->extents();
    const std::int64_t tokens = extents.at({'s'}), front = tokens / 2;
    const Block block{{{'s'}, {{{{front, tokens + 1 - front}, {0, front}}}}}};
    std::vector<Tensor> moved;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      moved.push_back(cut(inputs[i], node.inputs[i]->dims, extents, block, i == 0 ? 3 : 0));
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
  });
}

TEST_CASE("gelu and its derivative keep their accuracy over the whole range") {
  Graph graph(DType::f64);
  graph.set_extent({'h'}, 30001);
  Value* x = graph.parameter("x", "h", ParameterRole::linear, {});
  Value* dy = graph.parameter("dy", "h", ParameterRole::linear, {});
  for (const std::string kind : {"gelu", "gelu_tanh"}) {
    activation(x, kind);
    graph.apply("activation_grad", {x, dy}, {{"kind", kind}});
  }
  Tensor points;
  for (int i = 0; i <= 30000; ++i) points.push_back(static_cast<float>((i - 15000) / 1000.0));
  for (const Node& node : graph.nodes())
    for (const Tested& tested : all_tested) {
      if (tested.how.real != DType::f32 || !runs(tested, local_node(node, tested.how))) continue;
      INFO(node.name << ", " << tested.name);
      std::vector<Tensor> inputs{points};
      if (node.inputs.size() == 2) inputs.emplace_back(points.size(), 1.0);
      const Tensor actual = NodeRunner(node, tested.how).run(inputs)[0], expected = NodeRunner(node, {}).run(inputs)[0];
      double largest = 0;
      for (std::size_t i = 0; i < points.size(); ++i)
        largest = std::max(largest, std::abs(actual[i] - expected[i]) / std::max(1.0, std::abs(expected[i])));
      CHECK(largest < 1e-6);
    }
}

TEST_CASE("padding of classes and of unlabelled rows gets a zero gradient") {
  const double nan = std::nan("");
  const Block block{{{'b'}, {{{{2, 2}, {}}}}}, {{'c'}, {{{{4, 2}, {}}}}}};  // one row and one class of four are there
  for (const Tested& tested : all_tested) {
    Graph graph(precision(tested));
    graph.set_extent({'b'}, 3);
    graph.set_extent({'c'}, 5);
    const auto real_input = [&](const std::string& name, const Names& dims) {
      return graph.input(name, dims, graph.real());
    };
    graph.apply("cross_entropy_grad",
                {graph.input("x", "bc", graph.activation()), real_input("m", "b"), real_input("e", "b"),
                 graph.input("labels", "b", DType::i32), real_input("count", {})},
                {{"smoothing", 0.1}});
    if (!runs(tested, local_node(graph.nodes()[0], tested.how))) continue;
    INFO(tested.name);
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
