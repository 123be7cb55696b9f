// Which values of a graph of mixed precision are of which type.
#include "ops/passes/precision.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "ops/autodiff.h"
#include "ops/build.h"
#include "ops/narrow_floats.h"
#include "ops/op.h"

namespace ctrain {
namespace {

// Embedding, layer norm, a product with a bias, and a head that is tied to the embedding.
struct TiedModel {
  explicit TiedModel(const Precision& precision) : graph(precision) {
    for (const auto& [name, extent] : Extents{{{'b'}, 2}, {{'s'}, 3}, {{'v'}, 7}, {{'h'}, 4}, {{'f'}, 6}})
      graph.set_extent(name, extent);
    const auto parameter = [&](const std::string& name, const Names& dims) {
      return graph.parameter(name, dims, ParameterRole::linear, {});
    };
    Value* labels = graph.input("labels", "bs", DType::i32);
    table = parameter("table", "vh");
    Value* x = graph.apply_one("embedding", {graph.input("ids", "bs", DType::i32), table});
    Value* y = layer_norm(x, parameter("norm.weight", "h"), parameter("norm.bias", "h"), 1e-5);
    y = activation(linear(y, parameter("up", "hf"), parameter("up.bias", "f")), "gelu");
    x = add({x, linear(y, parameter("down", "fh"), nullptr)});
    logits = linear(x, table, nullptr);
    loss = cross_entropy(logits, labels, label_count(labels), 0);
    gradients = backward(graph, loss);
  }

  Graph graph;
  Value *table, *logits, *loss;
  Gradients gradients;
};

const Precision mixed{DType::f32, DType::bf16};

TEST_CASE("One type for all: nothing is cast") {
  for (const DType type : {DType::f32, DType::f64}) {
    const TiedModel model(type);
    for (const Node& node : model.graph.nodes()) CHECK(node.op->name != "cast");
  }
}

TEST_CASE("Mixed precision: activations and their gradients are short, statistics, losses and masters are not") {
  const TiedModel model(mixed);
  const std::set<std::string> rows{"layer_norm_sum",
                                   "layer_norm_squares",
                                   "layer_norm_grad_sums",
                                   "class_max",
                                   "class_sum_exp",
                                   "class_target",
                                   "class_nll",
                                   "sum",
                                   "label_count",
                                   "divide"};
  for (const Node& node : model.graph.nodes())
    for (const Value* output : node.outputs) {
      INFO(node.name);
      const bool is_wide = rows.contains(node.op->name) || (output->like != nullptr && !output->is_copy_of_parameter());
      CHECK(output->dtype == (is_wide ? DType::f32 : DType::bf16));
    }
  CHECK(model.loss->dtype == DType::f32);
  for (const Value* parameter : model.graph.parameters()) {
    INFO(parameter->name);
    CHECK(parameter->dtype == DType::f32);
    const Value* gradient = model.gradients.at(parameter);
    CHECK(gradient->dtype == DType::f32);
    CHECK(gradient->like == parameter);
    CHECK(gradient->producer->op->name != "cast");  // summed in fp32, not rounded and widened
  }
}

TEST_CASE("A parameter has one short copy, whoever reads it; layer norms read the parameter itself") {
  const TiedModel model(mixed);
  std::vector<const Value*> copied;
  for (const Node& node : model.graph.nodes()) {
    if (node.op->name == "cast" && node.outputs[0]->is_copy_of_parameter()) copied.push_back(node.inputs[0]);
    if (node.op->name == "matmul" || node.op->name == "bias" || node.op->name == "embedding")
      for (const Value* input : node.inputs) CHECK((input->dtype == DType::bf16 || input->dtype == DType::i32));
    if (node.op->name == "layer_norm") CHECK(node.inputs[3]->kind == Value::Kind::parameter);
  }
  CHECK(copied.size() == 4);  // table, up, up.bias, down
  CHECK(std::set<const Value*>(copied.begin(), copied.end()).size() == 4);
}

TEST_CASE("A sum of values of two types is one of the shorter") {
  Graph graph(mixed);
  graph.set_extent({'b'}, 2);
  Value *x = graph.input("x", "b", DType::f32), *y = graph.input("y", "b", DType::bf16);
  CHECK(add({x, y})->dtype == DType::bf16);
  CHECK(add({x, x})->dtype == DType::f32);
}

TEST_CASE("bf16 and fp16 round to the nearest, ties to even, and keep what has no size") {
  CHECK(Bfloat16(1.00390625) == 1.0F);       // half of the last place: to even, down
  CHECK(Bfloat16(1.01171875) == 1.015625F);  // the same, up
  CHECK(Bfloat16(1.0040) == 1.0078125F);
  CHECK(Bfloat16(3.4e38) == INFINITY);
  CHECK(Bfloat16(-INFINITY) == -INFINITY);
  CHECK(std::isnan(Bfloat16(std::nanf(""))));
  CHECK(Float16(1.00048828125) == 1.0F);
  CHECK(Float16(65504.0) == 65504.0F);
  CHECK(Float16(65536.0) == INFINITY);
}

}  // namespace
}  // namespace ctrain
