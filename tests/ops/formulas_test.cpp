// Reference kernels against formulas written out here, or against numbers known from elsewhere: finite differences
// alone would accept a wrong function with a matching derivative.
#include <catch2/catch.hpp>

#include "ops/autodiff.h"
#include "ops/build.h"
#include "ops/dropout_mask.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

Tensor random_tensor(std::int64_t elements, const std::string& name) {
  Tensor tensor;
  for (std::int64_t i = 0; i < elements; ++i)
    tensor.push_back(2 * random_uniform(random_key(1, name), static_cast<std::uint64_t>(i)) - 1);
  return tensor;
}

// A graph of one op, evaluated on the given tensors in the order of `inputs`.
class OneOp {
 public:
  explicit OneOp(const Extents& extents) {
    for (const auto& [name, extent] : extents) graph.set_extent(name, extent);
  }
  Value* input(const Names& dims, const Tensor& tensor, DType dtype = DType::f64) {
    Value* value = graph.input("x" + std::to_string(given.size()), dims, dtype);
    given[value] = tensor;
    return value;
  }
  Tensor operator()(Value* output) { return evaluate(graph, given, how).at(output); }

  Graph graph{DType::f64};
  Tensors given;
  Evaluation how;
};

TEST_CASE("matmul contracts what the output lacks, and batches what all three have") {
  OneOp op({{{'b'}, 2}, {{'s'}, 3}, {{'n'}, 2}, {{'d'}, 5}, {{'p'}, 4}});
  const Tensor a = random_tensor(2 * 3 * 2 * 5, "a"), b = random_tensor(2 * 4 * 2 * 5, "b");
  const Tensor c =
      op(op.graph.apply_one("matmul", {op.input("bsnd", a), op.input("bpnd", b)}, {{"output", std::string("bnps")}}));
  Tensor expected;
  for (int ib = 0; ib < 2; ++ib)
    for (int in = 0; in < 2; ++in)
      for (int ip = 0; ip < 4; ++ip)
        for (int is = 0; is < 3; ++is) {
          double total = 0;
          for (int id = 0; id < 5; ++id)
            total += a[((ib * 3 + is) * 2 + in) * 5 + id] * b[((ib * 4 + ip) * 2 + in) * 5 + id];
          expected.push_back(total);
        }
  CHECK(relative_error(c, expected) < 1e-15);
}

TEST_CASE("matmul adds to its output where it is told to accumulate") {
  // Wide and deep enough for several tiles and for every remainder of the inner loops.
  OneOp op({{{'b'}, 3}, {{'h'}, 2051}, {{'f'}, 71}});
  const Tensor a = random_tensor(3 * 2051, "a"), b = random_tensor(2051 * 71, "b"), start = random_tensor(3 * 71, "c");
  op.graph.apply("matmul", {op.input("bh", a), op.input("hf", b)}, {{"output", std::string("bf")}});
  for (const bool accumulate : {false, true}) {
    LocalNode node = local_node(op.graph.nodes()[0], {});
    node.accumulate = accumulate;
    NodeRunner runner(node, {}, {});
    runner.set_output(0, start);
    Tensor expected = accumulate ? start : Tensor(start.size(), 0);
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t k = 0; k < 2051; ++k)
        for (std::size_t j = 0; j < 71; ++j) expected[i * 71 + j] += a[i * 2051 + k] * b[k * 71 + j];
    CHECK(relative_error(runner.run({a, b})[0], expected) < 1e-13);
  }
}

TEST_CASE("activations have their known values") {
  OneOp op(Extents{{{'h'}, 4}});
  Value* x = op.input("h", {-1, 0, 1, 2});
  CHECK(relative_error(op(activation(x, "gelu")), {-0.15865525393145707, 0, 0.8413447460685429, 1.9544997361036416}) <
        1e-15);
  CHECK(relative_error(op(activation(x, "gelu_tanh")),
                       {-0.15880800939172324, 0, 0.8411919906082768, 1.954597694087775}) < 1e-15);
  CHECK(op(activation(x, "relu")) == Tensor{0, 0, 1, 2});
  CHECK(relative_error(op(activation(x, "tanh")), {-0.7615941559557649, 0, 0.7615941559557649, 0.9640275800758169}) <
        1e-15);
}

TEST_CASE("dropout draws by logical flat index over its dimensions") {
  OneOp op({{{'b'}, 3}, {{'h'}, 4}});
  Value* x = op.input("bh", Tensor(12, 1.0));
  Value *each = dropout(x, 0.5), *path = drop_path(x, 0.5);
  const Tensor each_out = op(each), path_out = op(path);
  const auto mask = [&](Value* y) {
    return DropoutMask(op.how.seed, y->producer->attributes.text("key"), op.how.state.step, 0.5);
  };
  for (std::int64_t i = 0; i < 12; ++i) {
    CHECK(each_out[static_cast<std::size_t>(i)] == mask(each).factor(i));
    CHECK(path_out[static_cast<std::size_t>(i)] == mask(path).factor(i / 4));
  }
}

TEST_CASE("layer norm makes rows of mean 0 and variance 1, then scales and shifts") {
  constexpr std::size_t rows = 3, width = 7;
  constexpr double epsilon = 1e-3;
  OneOp op({{{'b'}, rows}, {{'h'}, width}});
  const Tensor x = random_tensor(rows * width, "x"), w = random_tensor(width, "w"), b = random_tensor(width, "b");
  const Tensor y = op(layer_norm(op.input("bh", x), op.input("h", w), op.input("h", b), epsilon));
  Tensor expected;
  for (std::size_t row = 0; row < rows; ++row) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < width; ++j) mean += x[row * width + j] / width;
    for (std::size_t j = 0; j < width; ++j) variance += std::pow(x[row * width + j] - mean, 2) / width;
    for (std::size_t j = 0; j < width; ++j)
      expected.push_back((x[row * width + j] - mean) / std::sqrt(variance + epsilon) * w[j] + b[j]);
  }
  CHECK(relative_error(y, expected) < 1e-14);
}

TEST_CASE("embedding looks rows up, and an index below zero is a row of zeros") {
  OneOp op({{{'b'}, 1}, {{'s'}, 4}, {{'v'}, 3}, {{'h'}, 2}});
  Value* table = op.input("vh", {1, 2, 3, 4, 5, 6});
  const Tensor y = op(op.graph.apply_one("embedding", {op.input("bs", {2, 0, -1, 2}, DType::i32), table}));
  CHECK(y == Tensor{5, 6, 1, 2, 0, 0, 5, 6});
}

TEST_CASE("patches are rows 1.. in row-major order, features in the order channel, row, column") {
  OneOp op({{{'b'}, 1}, {{'i'}, 2}, {{'y'}, 2}, {{'x'}, 4}, {{'s'}, 3}, {{'k'}, 8}});
  const Tensor image{0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17};
  const Tensor y = op(op.graph.apply_one("patchify", {op.input("biyx", image)}, {{"patch", std::int64_t{2}}}));
  CHECK(y == Tensor{0, 0, 0, 0, 0,  0,  0,  0,  // the class token's place
                    0, 1, 4, 5, 10, 11, 14, 15, 2, 3, 6, 7, 12, 13, 16, 17});
}

TEST_CASE("the class token is set, selected and placed at s = 0") {
  OneOp op({{{'b'}, 2}, {{'s'}, 2}, {{'h'}, 2}});
  Value* x = op.input("bsh", {1, 2, 3, 4, 5, 6, 7, 8});
  Value* token = op.input("h", {-1, -2});
  CHECK(op(op.graph.apply_one("set_token", {x, token})) == Tensor{-1, -2, 3, 4, -1, -2, 7, 8});
  CHECK(op(op.graph.apply_one("clear_token", {x})) == Tensor{0, 0, 3, 4, 0, 0, 7, 8});
  Value* selected = op.graph.apply_one("select_token", {x});
  CHECK(op(selected) == Tensor{1, 2, 5, 6});
  CHECK(op(op.graph.apply_one("place_token", {selected}, {{"output", std::string("bsh")}})) ==
        Tensor{1, 2, 0, 0, 5, 6, 0, 0});
}

TEST_CASE("attention is the softmax of scaled scores, masked and dropped out, times the values") {
  constexpr std::int64_t batch = 2, tokens = 4, heads = 3, width = 5;
  const Tensor qkv = random_tensor(batch * tokens * 3 * heads * width, "qkv");
  const auto at = [&](auto b, auto s, auto t, auto n, auto d) {
    return qkv[static_cast<std::size_t>((((b * tokens + s) * 3 + t) * heads + n) * width + d)];
  };
  for (const bool causal : {false, true})
    for (const double rate : {0.0, 0.4}) {
      OneOp op({{{'b'}, batch}, {{'s'}, tokens}, {{'t'}, 3}, {{'n'}, heads}, {{'d'}, width}});
      Value* o = attention(op.input("bstnd", qkv), causal, rate);
      DropoutMask mask(op.how.seed, o->producer->attributes.text("key"), op.how.state.step, rate);
      Tensor expected, log_sums(batch * heads * tokens);
      for (std::int64_t b = 0; b < batch; ++b)
        for (std::int64_t query = 0; query < tokens; ++query)
          for (std::int64_t n = 0; n < heads; ++n) {
            Tensor weights(tokens, 0.0);
            double total = 0;
            for (std::int64_t key = 0; key < (causal ? query + 1 : tokens); ++key) {
              double score = 0;
              for (std::int64_t d = 0; d < width; ++d) score += at(b, query, 0, n, d) * at(b, key, 1, n, d);
              weights[static_cast<std::size_t>(key)] = std::exp(score / std::sqrt(width));
              total += weights[static_cast<std::size_t>(key)];
            }
            log_sums[static_cast<std::size_t>((b * heads + n) * tokens + query)] = std::log(total);
            for (std::int64_t d = 0; d < width; ++d) {
              double sum = 0;
              for (std::int64_t key = 0; key < tokens; ++key)
                sum += weights[static_cast<std::size_t>(key)] / total * at(b, key, 2, n, d) *
                       mask.factor(((b * heads + n) * tokens + query) * tokens + key);
              expected.push_back(sum);
            }
          }
      CHECK(relative_error(op(o), expected) < 1e-14);
      CHECK(relative_error(op(o->producer->outputs[1]), log_sums) < 1e-14);
    }
}

TEST_CASE("attention survives scores far beyond what exp can hold") {
  OneOp op({{{'b'}, 1}, {{'s'}, 2}, {{'t'}, 3}, {{'n'}, 1}, {{'d'}, 1}});
  const Tensor o = op(attention(op.input("bstnd", {1000, 1000, 1, -1000, 999, 2}), false, 0));
  CHECK(relative_error(o, {1, 2}) < 1e-14);
}

}  // namespace
}  // namespace ctrain::testing
