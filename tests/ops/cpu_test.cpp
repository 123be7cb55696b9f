// The fp32 CPU kernels at sizes that reach their vectorised and parallel paths, with their remainders: against the fp64
// reference kernel on the same operands. (The table of cases has the small and odd shapes.)
#include <catch2/catch.hpp>

#include <omp.h>

#include "ops/build.h"
#include "ops/philox.h"
#include "tests/ops/cases.h"

namespace ctrain::testing {
namespace {

// Sets this thread's number of OpenMP threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

Value* real(Graph& graph, const std::string& name, const Names& dims) {
  return graph.parameter(name, dims, ParameterRole::linear, {});
}

Value* linear_layer(Graph& g, const Names& x, const Names& weight, const Names& b) {
  return linear(real(g, "x", x), real(g, "w", weight), real(g, "b", b));
}

std::vector<OpCase> large_cases() {
  constexpr Name b{'b'}, s{'s'}, h{'h'}, t{'t'}, n{'n'}, d{'d'}, f{'f'}, v{'v'};
  const Extents bshf{{b, 5}, {s, 37}, {h, 70}, {f, 131}};
  const Extents heads{{b, 2}, {s, 65}, {h, 48}, {t, 3}, {n, 3}, {d, 16}};
  std::vector<OpCase> cases{
      {"linear", bshf, [](Graph& g) { return linear_layer(g, "bsh", "hf", "f"); }},
      {"linear to heads", heads, [](Graph& g) { return linear_layer(g, "bsh", "htnd", "tnd"); }},
      {"linear from heads", heads, [](Graph& g) { return linear_layer(g, "bsnd", "ndh", "h"); }},
      {"add", bshf,
       [](Graph& g) {
         return add({real(g, "x", "bsh"), real(g, "y", "bsh"), real(g, "z", "bsh")});
       }},
      {"positions", bshf, [](Graph& g) { return bias(real(g, "x", "bsh"), real(g, "p", "sh")); }},
      {"dropout", bshf, [](Graph& g) { return dropout(real(g, "x", "bsh"), 0.3); }},
      {"drop path", bshf, [](Graph& g) { return drop_path(real(g, "x", "bsh"), 0.4); }},
      {"layer norm", bshf,
       [](Graph& g) { return layer_norm(real(g, "x", "bsh"), real(g, "w", "h"), real(g, "c", "h"), 1e-5); }},
      {"embedding",
       {{b, 7}, {s, 90}, {v, 50}, {h, 70}},
       [](Graph& g) {
         return g.apply_one("embedding", {g.input("ids", "bs", DType::i32), real(g, "table", "vh")});
       }},
      {"cross-entropy",
       {{b, 7}, {s, 21}, {v, 133}},
       [](Graph& g) {
         Value* labels = g.input("labels", "bs", DType::i32);
         correct_count(real(g, "other", "bsv"), labels);
         return cross_entropy(real(g, "x", "bsv"), labels, label_count(labels), 0.1);
       }},
      {"sum of squares", bshf,
       [](Graph& g) -> Value* {
         g.apply("sum_squares", {real(g, "x", "bshf")});
         return nullptr;
       }},
  };
  for (const char* kind : {"gelu", "relu", "tanh"})
    cases.push_back({kind, bshf, [=](Graph& g) { return activation(real(g, "x", "bsh"), kind); }});
  // Tokens: one block of keys with a remainder; several blocks of queries and of keys.
  for (const auto& [tokens, width] : {std::pair{65, 64}, std::pair{300, 20}})
    for (const bool causal : {false, true})
      for (const double rate : {0.0, 0.25})
        cases.push_back(
            {"attention of " + std::to_string(tokens) + (causal ? ", causal" : "") + (rate > 0 ? ", dropout" : ""),
             {{b, 2}, {s, tokens}, {t, 3}, {n, 3}, {d, width}},
             [=](Graph& g) { return attention(real(g, "qkv", "bstnd"), causal, rate); }});
  return cases;
}

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

TEST_CASE("gelu and its derivative keep their accuracy over the whole range") {
  Graph graph(DType::f64);
  graph.set_extent({'h'}, 30001);
  Value* x = real(graph, "x", "h");
  activation(x, "gelu");
  graph.apply("activation_grad", {x, real(graph, "dy", "h")}, {{"kind", std::string("gelu")}});
  Tensor points;
  for (int i = 0; i <= 30000; ++i) points.push_back(static_cast<float>((i - 15000) / 1000.0));
  for (const Node& node : graph.nodes()) {
    std::vector<Tensor> inputs{points};
    if (node.inputs.size() == 2) inputs.emplace_back(points.size(), 1.0);
    const Tensor actual = NodeRunner(node, cpu).run(inputs)[0], expected = NodeRunner(node, {}).run(inputs)[0];
    double largest = 0;
    for (std::size_t i = 0; i < points.size(); ++i)
      largest = std::max(largest, std::abs(actual[i] - expected[i]) / std::max(1.0, std::abs(expected[i])));
    CHECK(largest < 1e-6);
  }
}

}  // namespace
}  // namespace ctrain::testing
