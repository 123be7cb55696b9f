#include "ops/autodiff.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "memory/error.h"
#include "ops/build.h"
#include "ops/op.h"

namespace ctrain {
namespace {

std::int64_t count(const Graph& graph, const std::string& op) {
  return std::count_if(graph.nodes().begin(), graph.nodes().end(),
                       [&](const Node& node) { return node.op->name == op; });
}

// A language model of one layer whose embedding table is its head too.
struct TiedModel {
  TiedModel() {
    for (const auto& [letter, extent] : {std::pair{'b', 2}, {'s', 3}, {'h', 4}, {'v', 5}})
      graph.set_extent({letter}, extent);
    ids = graph.input("ids", "bs", DType::i32);
    labels = graph.input("labels", "bs", DType::i32);
    table = graph.parameter("table", "vh", ParameterRole::embedding, {});
    hidden = activation(graph.apply_one("embedding", {ids, table}), "gelu");
    loss = cross_entropy(linear(hidden, table, nullptr), labels, label_count(labels), 0);
  }
  Graph graph{DType::f64};
  Value *ids, *labels, *table, *hidden, *loss;
};

TEST_CASE("a parameter used twice gets the sum of its gradients, added once") {
  TiedModel model;
  const Gradients gradients = backward(model.graph, model.loss);
  REQUIRE(gradients.contains(model.table));
  const Value* gradient = gradients.at(model.table);
  CHECK(gradient->dims == model.table->dims);
  CHECK(gradient->like == model.table);
  CHECK(count(model.graph, "add") == 1);
  CHECK(gradient->producer->op->name == "add");
  CHECK(gradient->producer->inputs.size() == 2);
}

TEST_CASE("integer inputs and inputs that ask for none get no gradient") {
  TiedModel model;
  const Gradients gradients = backward(model.graph, model.loss);
  CHECK_FALSE(gradients.contains(model.ids));
  CHECK_FALSE(gradients.contains(model.labels));

  Graph graph(DType::f64);
  graph.set_extent({'b'}, 2);
  graph.set_extent({'h'}, 4);
  graph.set_extent({'f'}, 3);
  for (const bool wanted : {false, true}) {
    Value* x = graph.input("x", "bh", DType::f64);
    x->wants_gradient = wanted;
    Value* weight = graph.parameter("w", "hf", ParameterRole::linear, {});
    const auto products = count(graph, "matmul");
    const Gradients result = backward(graph, linear(x, weight, nullptr), graph.input("seed", "bf", DType::f64));
    CHECK(result.contains(x) == wanted);
    CHECK(result.contains(weight));
    CHECK(count(graph, "matmul") - products == (wanted ? 3 : 2));  // forward, dW and only where it is wanted dx
  }
}

TEST_CASE("a parameter that the root does not depend on has no gradient") {
  TiedModel model;
  const Value* idle = model.graph.parameter("idle", "h", ParameterRole::vector, {});
  CHECK_FALSE(backward(model.graph, model.loss).contains(idle));
}

TEST_CASE("nodes after the root, such as metrics, are left alone") {
  TiedModel model;
  correct_count(linear(model.hidden, model.table, nullptr), model.labels);
  CHECK_NOTHROW(backward(model.graph, model.loss));
  CHECK(count(model.graph, "add") == 1);
}

TEST_CASE("a gradient that reaches two parameters unchanged does not take the layout of either") {
  Graph graph(DType::f64);
  graph.set_extent({'h'}, 4);
  Value* a = graph.parameter("a", "h", ParameterRole::vector, {});
  Value* b = graph.parameter("b", "h", ParameterRole::vector, {});
  Value* seed = graph.input("seed", "h", DType::f64);
  const Gradients gradients = backward(graph, add({a, b}), seed);
  CHECK(gradients.at(a) == seed);
  CHECK(gradients.at(b) == seed);
  CHECK(seed->like == nullptr);
}

TEST_CASE("what cannot be differentiated is refused") {
  TiedModel model;
  CHECK_THROWS_AS(backward(model.graph, model.hidden), Error);  // neither a loss nor a seed
  CHECK_THROWS_AS(backward(model.graph, model.table, model.table), Error);
}

}  // namespace
}  // namespace ctrain
