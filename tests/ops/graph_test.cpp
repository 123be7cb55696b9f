#include "ops/graph.h"

#include <catch2/catch.hpp>

#include "memory/error.h"
#include "ops/build.h"
#include "ops/op.h"

namespace ctrain {
namespace {

TEST_CASE("a dimension has one extent") {
  Graph graph;
  graph.set_extent({'h'}, 4);
  CHECK_NOTHROW(graph.set_extent({'h'}, 4));
  CHECK_THROWS_AS(graph.set_extent({'h'}, 5), Error);
  CHECK_THROWS_AS(graph.set_extent({'s'}, 0), Error);
  CHECK_THROWS_AS(graph.extent({'b'}), Error);
  graph.set_extent({'b'}, 3);
  CHECK(graph.elements("bh") == 12);
  CHECK(graph.elements("") == 1);
}

TEST_CASE("applying an op appends a node whose outputs follow the shape rule") {
  Graph graph(DType::f64);
  for (const auto& [letter, extent] : {std::pair{'b', 2}, {'s', 3}, {'h', 4}, {'t', 3}, {'n', 2}, {'d', 5}})
    graph.set_extent({letter}, extent);
  Value* x = graph.input("x", "bsh", DType::f64);
  Value* weight = graph.parameter("w", "htnd", ParameterRole::linear, {});
  Value* y = linear(x, weight, nullptr);
  CHECK(y->dims == Names("bstnd"));
  CHECK(y->dtype == DType::f64);
  CHECK(y->producer == &graph.nodes().back());
  CHECK(y->producer->flops() == 2.0 * 2 * 3 * 4 * 3 * 2 * 5);
  Value* o = attention(y, false, 0);
  CHECK(o->dims == Names("bsnd"));
  CHECK(o->producer->outputs[1]->dims == Names("bns"));
  CHECK(weight->form.shape == std::vector<std::int64_t>{4, 3, 2, 5});
  CHECK(weight->spread == Name{'d'});
}

TEST_CASE("a shape rule refuses operands that do not fit") {
  Graph graph, other;
  for (Graph* g : {&graph, &other})
    for (const auto& [letter, extent] : {std::pair{'b', 2}, {'s', 3}, {'h', 4}}) g->set_extent({letter}, extent);
  Value* x = graph.input("x", "bsh", DType::f32);
  Value* row = graph.input("row", "bh", DType::f32);
  CHECK_THROWS_AS(add({x, row}), Error);
  CHECK_THROWS_AS(bias(row, x), Error);
  CHECK_THROWS_AS(attention(x, false, 0), Error);
  CHECK_THROWS_AS(sum_to(row, "bs"), Error);
  CHECK_THROWS_AS(graph.apply("no_such_op", {x}), Error);
  CHECK_THROWS_AS(add({x, other.input("x", "bsh", DType::f32)}), Error);
  CHECK_THROWS_AS(graph.apply("embedding", {x, row}), Error);
}

TEST_CASE("attributes are typed") {
  const Attributes attributes{{"rate", 0.5}, {"causal", std::int64_t{1}}, {"key", std::string("a")}};
  CHECK(attributes.real("rate") == 0.5);
  CHECK(attributes.integer("causal") == 1);
  CHECK(attributes.text("key") == "a");
  CHECK_THROWS_AS(attributes.real("causal"), Error);
  CHECK_THROWS_AS(attributes.text("none"), Error);
}

TEST_CASE("names of nodes are unique and begin with the scope") {
  Graph graph;
  CHECK(graph.unique_name("dropout") == "dropout");
  CHECK(graph.unique_name("dropout") == "dropout_1");
  graph.set_scope("blocks.0");
  CHECK(graph.unique_name("dropout") == "blocks.0.dropout");
  CHECK(graph.unique_name("dropout") == "blocks.0.dropout_1");
}

}  // namespace
}  // namespace ctrain
