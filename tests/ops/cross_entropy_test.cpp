// Softmax cross-entropy of logits with ties, infinities and NaN, in one pass over whole rows and from parts of them.
#include <catch2/catch.hpp>

#include <cmath>

#include "ops/philox.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

struct Tested {
  Backend backend;
  DType real;
  double tolerance;
};

const std::vector<Tested> all_tested{{Backend::reference, DType::f64, 1e-12}, {Backend::reference, DType::f32, 1e-5},
                                     {Backend::cpu, DType::f32, 1e-5},        {Backend::cpu, DType::bf16, 1e-5},
                                     {Backend::cuda, DType::f32, 1e-5},       {Backend::cuda, DType::bf16, 1e-5},
                                     {Backend::cuda, DType::f16, 1e-5}};

constexpr Name b{'b'}, v{'v'};
constexpr std::int64_t rows = 5;

// An op of a cross-entropy, on a block of the classes; dims of statistics and labels are "b", of logits "bv".
LocalNode node_of(const std::string& op, std::int64_t classes, const Block& block, const Tested& tested,
                  double smoothing, std::size_t statistics, bool labels, std::size_t outputs) {
  LocalNode node;
  node.op = node.name = op;
  node.attributes = {{"smoothing", smoothing}};
  node.extents = {{b, rows}, {v, classes}};
  node.segments = {{b, whole(rows)}, {v, block.contains(v) ? block.at(v) : whole(classes)}};
  const DType single = tested.real == DType::f64 ? DType::f64 : DType::f32;
  const auto operand = [&](const Names& dims, DType type) {
    return Operand{dims, type, local_shape(dims, node.extents, block)};
  };
  if (op != "class_nll" && op != "correct") node.inputs.push_back(operand("bv", tested.real));
  for (std::size_t i = 0; i < statistics; ++i) node.inputs.push_back(operand("b", single));
  if (labels) node.inputs.push_back(operand("b", DType::i32));
  node.outputs.assign(outputs, operand("b", single));
  return node;
}

std::vector<Tensor> run(const LocalNode& node, const Tested& tested, const std::vector<Tensor>& inputs) {
  NodeRunner runner(node, {}, {.backend = tested.backend, .real = tested.real});
  std::vector<Tensor> outputs = runner.run(inputs);
  CHECK(runner.allocations() == 0);
  return outputs;
}

Tensor logits(std::int64_t classes, DType type) {
  Tensor tensor;
  for (std::int64_t i = 0; i < rows * classes; ++i)  // few values, so that the largest stands in several places
    tensor.push_back(0.25 * static_cast<double>(random_below(random_key(3, "x"), static_cast<std::uint64_t>(i), 64)));
  return rounded(tensor, type);
}

// The first class, the last, one in the middle, none, and the one whose logit is the largest.
Tensor labels_of(const Tensor& x, std::int64_t classes) {
  const auto last_row = x.end() - classes;
  const std::int64_t middle = classes / 2;
  return {0, static_cast<double>(classes - 1), static_cast<double>(middle), -1,
          static_cast<double>(std::max_element(last_row, x.end()) - last_row)};
}

TEST_CASE("the fused cross-entropy gives what its parts give") {
  for (const Tested& tested : all_tested) {
    if (!has_device(tested.backend)) continue;
    for (const std::int64_t classes : {1, 7, 10, 1000, 2312, 3001, 8200})
      for (const double smoothing : {0.0, 0.1})
        for (const std::size_t outputs : {std::size_t{3}, std::size_t{4}}) {
          INFO(name_of(tested.real) << " on backend " << static_cast<int>(tested.backend) << ", " << classes
                                    << " classes, smoothing " << smoothing);
          Tensor x = logits(classes, tested.real);
          const Tensor labels = labels_of(x, classes);
          if (classes > 7 && smoothing == 0) std::fill_n(x.begin(), 5, -INFINITY), x[0] = -1;  // masked classes
          const auto actual = run(node_of("cross_entropy_fused", classes, {}, tested, smoothing, 0, true, outputs),
                                  tested, {x, labels});
          const Tested exact{Backend::reference, DType::f64, 0};
          const auto part = [&](const std::string& op, const std::vector<Tensor>& inputs, bool with_labels) {
            const std::size_t statistics =
                inputs.size() - (with_labels ? 1 : 0) - (op == "class_nll" || op == "correct" ? 0 : 1);
            return run(node_of(op, classes, {}, exact, smoothing, statistics, with_labels, 1), exact, inputs)[0];
          };
          const Tensor m = part("class_max", {x}, false), e = part("class_sum_exp", {x, m}, false);
          const Tensor t = part("class_target", {x, labels}, true), nll = part("class_nll", {m, e, t, labels}, true);
          CHECK(relative_error(actual[0], nll, 16) < tested.tolerance);  // a difference of logits up to 16
          CHECK(actual[1] == m);
          CHECK(relative_error(actual[2], e) < tested.tolerance);
          if (outputs == 4) CHECK(actual[3] == part("correct", {part("class_place", {x, m}, false), labels}, true));
        }
  }
}

// Of the parts of two ranks, whose maxima may be taken by a function that prefers numbers to NaN, as NCCL's does.
Tensor loss_of_blocks(const Tested& tested, const Tensor& x, const Tensor& labels, std::int64_t classes) {
  Tensor m(rows, -INFINITY), e(rows, 0), t(rows, 0);
  const Extents extents{{b, rows}, {v, classes}};
  for (const bool first_pass : {true, false})
    for (const Segments& half : split(classes, 2, false)) {
      const Block block{{v, half}};
      const Tensor part = cut(x, "bv", extents, block, 0);
      const auto result = [&](const std::string& op, const std::vector<Tensor>& inputs, bool with_labels) {
        return run(node_of(op, classes, block, tested, 0, op == "class_sum_exp" ? 1 : 0, with_labels, 1), tested,
                   inputs)[0];
      };
      const Tensor maxima = first_pass ? result("class_max", {part}, false) : Tensor(rows);
      const Tensor sums = first_pass ? Tensor(rows) : result("class_sum_exp", {part, m}, false);
      const Tensor targets = first_pass ? Tensor(rows) : result("class_target", {part, labels}, true);
      for (std::size_t row = 0; row < rows; ++row) {
        if (first_pass) m[row] = std::fmax(m[row], maxima[row]);
        e[row] += sums[row];
        t[row] += targets[row];
      }
    }
  return run(node_of("class_nll", classes, {}, tested, 0, 3, true, 1), tested, {m, e, t, labels})[0];
}

TEST_CASE("a NaN among the logits reaches the loss of its row, and of no other") {
  for (const Tested& tested : all_tested) {
    if (!has_device(tested.backend)) continue;
    for (const std::int64_t classes : {10, 2312})
      for (const std::int64_t column : {std::int64_t{0}, std::int64_t{3}, classes - 1}) {
        INFO(name_of(tested.real) << " on backend " << static_cast<int>(tested.backend) << ", NaN at " << column
                                  << " of " << classes);
        Tensor x = logits(classes, tested.real);
        const Tensor labels{5, 5, 5, -1, 5};
        x[static_cast<std::size_t>(classes + column)] = std::nan("");
        std::fill_n(x.begin() + 2 * classes, classes, std::nan(""));
        const auto fused = node_of("cross_entropy_fused", classes, {}, tested, 0, 0, true, 4);
        for (const Tensor& loss : {run(fused, tested, {x, labels})[0], loss_of_blocks(tested, x, labels, classes)}) {
          for (const std::size_t row : {0, 3, 4}) CHECK(std::isfinite(loss[row]));
          for (const std::size_t row : {1, 2}) CHECK(std::isnan(loss[row]));
        }
      }
  }
}

}  // namespace
}  // namespace ctrain::testing
