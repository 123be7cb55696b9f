// Losses and counts against formulas written out here.
#include <catch2/catch.hpp>

#include "ops/autodiff.h"
#include "ops/build.h"
#include "ops/philox.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

constexpr std::size_t rows = 4, classes = 5;
const Tensor labels{3, -1, 0, 4};  // the second row does not count

Tensor logits(double scale) {
  Tensor tensor;
  for (std::uint64_t i = 0; i < rows * classes; ++i)
    tensor.push_back(scale * (2 * random_uniform(random_key(1, "x"), i) - 1));
  return tensor;
}

struct Classifier {
  explicit Classifier(double smoothing) {
    graph.set_extent({'b'}, rows);
    graph.set_extent({'c'}, classes);
    x = graph.parameter("x", "bc", ParameterRole::linear, {});
    y = graph.input("labels", "b", DType::i32);
    count = label_count(y);
    loss = cross_entropy(x, y, count, smoothing);
    correct = correct_count(x, y);
    gradient = backward(graph, loss).at(x);
  }
  Graph graph{DType::f64};
  Value *x, *y, *count, *loss, *correct, *gradient;
};

TEST_CASE("cross-entropy is the mean of -Σ q log softmax(x) over the labelled rows") {
  for (const double smoothing : {0.0, 0.1}) {
    const Classifier model(smoothing);
    const Tensor x = logits(3);
    double expected = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      if (labels[row] < 0) continue;
      double total = 0;
      for (std::size_t c = 0; c < classes; ++c) total += std::exp(x[row * classes + c]);
      for (std::size_t c = 0; c < classes; ++c) {
        const double wanted = (labels[row] == static_cast<double>(c) ? 1 - smoothing : 0) + smoothing / classes;
        expected -= wanted * std::log(std::exp(x[row * classes + c]) / total) / 3;
      }
    }
    const Tensors values = evaluate(model.graph, {{model.x, x}, {model.y, labels}});
    CHECK(values.at(model.count) == Tensor{3});
    CHECK(values.at(model.loss)[0] == Approx(expected).epsilon(1e-14));
    for (std::size_t c = 0; c < classes; ++c) CHECK(values.at(model.gradient)[classes + c] == 0);
  }
}

TEST_CASE("cross-entropy survives logits far beyond what exp can hold") {
  const Classifier model(0.1);
  const Tensors values = evaluate(model.graph, {{model.x, logits(1e4)}, {model.y, labels}});
  CHECK(std::isfinite(values.at(model.loss)[0]));
  for (const double entry : values.at(model.gradient)) CHECK(std::isfinite(entry));
}

TEST_CASE("a prediction is correct where the first of the largest logits is the label's") {
  const Classifier model(0);
  const Tensor x{0, 1, 2, 3, 0,   // 3: right
                 9, 0, 0, 0, 0,   // no label
                 7, 7, 0, 0, 0,   // a tie that the first wins: right
                 5, 0, 0, 0, 1};  // wrong
  CHECK(evaluate(model.graph, {{model.x, x}, {model.y, labels}}).at(model.correct) == Tensor{2});
}

TEST_CASE("mean squared error is the mean over the elements of the labelled rows") {
  Graph graph(DType::f64);
  graph.set_extent({'b'}, 3);
  graph.set_extent({'h'}, 2);
  Value *x = graph.input("x", "bh", DType::f64), *y = graph.input("y", "bh", DType::f64);
  Value* valid = graph.input("labels", "b", DType::i32);
  Value* loss = mean_squared_error(x, y, valid, label_count(valid));
  const Tensors values = evaluate(graph, {{x, {1, 2, 3, 4, 5, 6}}, {y, {0, 0, 9, 9, 5, 7}}, {valid, {0, -1, 0}}});
  CHECK(values.at(loss)[0] == Approx((1 + 4 + 0 + 1) / 4.0));
}

}  // namespace
}  // namespace ctrain::testing
