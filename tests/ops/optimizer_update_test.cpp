// Optimizer updates over several steps against the same steps written out with scalars.
#include <catch2/catch.hpp>

#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

constexpr double rate = 0.1, decay = 0.01;

// A parameter of one element and its states, updated step by step with gradients 1, -2, 3.
struct Update {
  Update(const std::string& op, std::size_t states, const Attributes& attributes) {
    graph.set_extent({'h'}, 1);
    Value* p = graph.parameter("p", "h", ParameterRole::vector, {});
    std::vector<Value*> operands{p, graph.input("g", "h", DType::f64)};
    for (std::size_t i = 0; i < states; ++i) operands.push_back(graph.state("state" + std::to_string(i), p));
    graph.apply(op, operands, attributes);
  }

  // The parameter after each step.
  Tensor run() {
    Tensor path;
    const Node& node = graph.nodes()[0];
    std::vector<Tensor> values(node.inputs.size(), Tensor{0});
    values[0] = {5};
    for (std::int64_t step = 0; step < 3; ++step) {
      values[1] = {gradients[static_cast<std::size_t>(step)]};
      NodeRunner runner(node, {.state = {.step = step, .learning_rate = rate}});
      const std::vector<Tensor> results = runner.run(values);
      for (std::size_t i = 0; i < results.size(); ++i)
        values[static_cast<std::size_t>(node.op->in_place[i])] = results[i];
      path.push_back(values[0][0]);
    }
    return path;
  }

  Graph graph{DType::f64};
  const Tensor gradients{1, -2, 3};
};

TEST_CASE("sgd: p -= lr (g + decay p)") {
  double p = 5;
  Tensor expected;
  for (const double g : {1.0, -2.0, 3.0}) expected.push_back(p -= rate * (g + decay * p));
  CHECK(relative_error(Update("sgd_update", 0, {{"momentum", 0.0}, {"decay", decay}}).run(), expected) < 1e-15);
}

TEST_CASE("sgd with momentum: v = momentum v + g + decay p; p -= lr v") {
  double p = 5, v = 0;
  Tensor expected;
  for (const double g : {1.0, -2.0, 3.0}) {
    v = 0.9 * v + g + decay * p;
    expected.push_back(p -= rate * v);
  }
  CHECK(relative_error(Update("sgd_update", 1, {{"momentum", 0.9}, {"decay", decay}}).run(), expected) < 1e-15);
}

TEST_CASE("adam and adamw follow their algorithms, with bias correction from step 1") {
  constexpr double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-3;
  for (const bool decoupled : {false, true}) {
    double p = 5, m = 0, v = 0, power1 = 1, power2 = 1;
    Tensor expected;
    for (const double gradient : {1.0, -2.0, 3.0}) {
      const double g = decoupled ? gradient : gradient + decay * p;
      if (decoupled) p -= rate * decay * p;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      power1 *= beta1;
      power2 *= beta2;
      expected.push_back(p -= rate * (m / (1 - power1)) / (std::sqrt(v / (1 - power2)) + epsilon));
    }
    Update update("adam_update", 2,
                  {{"beta1", beta1},
                   {"beta2", beta2},
                   {"epsilon", epsilon},
                   {"decay", decay},
                   {"decoupled", std::int64_t{decoupled}}});
    CHECK(relative_error(update.run(), expected) < 1e-14);
  }
}

}  // namespace
}  // namespace ctrain::testing
