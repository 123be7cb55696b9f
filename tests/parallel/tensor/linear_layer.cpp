// One linear layer Y = X W without bias, forward and backward (X [b, in], W [in, out],
// dY [b, out] given where it is wanted). Elements sent per rank, a broadcast to q-1 peers counted q-1 times:
//
// 1d, column-parallel (out is split P ways). Forward: X is whole, Y = X W_p stays split: nothing. Backward: dW_p = Xᵀ
// dY_p
//   is local; dX = sum over p of dY_p W_pᵀ is an all-reduce of |X| elements, which a ring does as a reduce-scatter and
//   an all-gather of (P-1)/P |X| each:                                  2 (P-1)/P |X|
// 1d, row-parallel (in is split). Forward: Y = sum over p of X_p W_p, an all-reduce of |Y|. Backward: dX_p = dY W_pᵀ
// and
//   dW_p = X_pᵀ dY are local:                                        2 (P-1)/P |Y|
// 2d, on a q x q grid, every matrix in q² blocks. Each of the three products has q rounds; in each round one member of
//   every line broadcasts its block (q-1 times a block), or the q-1 others send their part to the one that reduces.
//   Over the q rounds every rank is the root once, so it sends q-1 blocks for each matrix that travels:
//     Y  = X W     AB    X along col, W along row:            (q-1)/q² (|X| + |W|)
//     dX = dY Wᵀ   ABt   W along row, dX reduced along col:   (q-1)/q² (|W| + |X|)
//     dW = Xᵀ dY   AtB   X along col, dW reduced along row:   (q-1)/q² (|X| + |W|)
//   together                                                  3 (q-1)/q² (|X| + |W|)
//
// 2.5d, depth d layers of such a grid, each with 1/d of the rows: the products as in 2d, with |X|/d instead of |X|, and
//   an all-reduce of every block of dW, |W|/q² elements, over `depth`:
//                                                               3 (q-1)/q² (|X|/d + |W|) + 2 (d-1)/d |W|/q²
//
// 3d, on a q x q x q cube, every matrix in q³ blocks. An all-gather along one axis makes q blocks of one, a
//   reduce-scatter one block of q: (q-1)/q³ of the matrix each. X and W are gathered for Y, which is reduce-scattered;
//   dY and W are gathered for dX; X and dY for dW. Where the gathered X and W are kept for the backward pass:
//                                                               2 (q-1)/q³ (|X| + |W| + |Y|)
//   and where they are gathered again, as by default          + (q-1)/q³ (|X| + |W|)
#include <catch2/catch.hpp>

#include "ops/autodiff.h"
#include "ops/build.h"
#include "ops/philox.h"
#include "tests/support/graph_on_ranks.h"

namespace ctrain {
namespace {

using test::LogicalTensor;

struct Sizes {
  std::int64_t batch, in, out;
};
const std::vector<Sizes> three_sizes{{72, 36, 144}, {36, 72, 36}, {36, 36, 36}};

// Small integers: sums are exact, so that results must be equal to the bit whatever the order of summation.
LogicalTensor integers(const std::string& name, std::int64_t count) {
  LogicalTensor tensor(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < tensor.size(); ++i)
    tensor[i] = static_cast<double>(random_below(random_key(1, name), i, 19)) - 9;
  return tensor;
}

// a [rows, inner], b [inner, columns]
LogicalTensor product(const LogicalTensor& a, const LogicalTensor& b, std::int64_t rows, std::int64_t inner,
                      std::int64_t columns) {
  LogicalTensor c(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t k = 0; k < inner; ++k)
      for (std::int64_t j = 0; j < columns; ++j)
        c[static_cast<std::size_t>(i * columns + j)] +=
            a[static_cast<std::size_t>(i * inner + k)] * b[static_cast<std::size_t>(k * columns + j)];
  return c;
}

LogicalTensor transposed(const LogicalTensor& a, std::int64_t rows, std::int64_t columns) {
  LogicalTensor result(a.size());
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      result[static_cast<std::size_t>(j * rows + i)] = a[static_cast<std::size_t>(i * columns + j)];
  return result;
}

// Runs the layer and checks its results and that every rank sends `elements`. X and dY come to it as activations do, in
// their home layouts.
void check_layer(const Mode& mode, const Sizes& sizes, bool row_parallel, std::int64_t elements,
                 bool keep_gathered = false) {
  const Name in{row_parallel ? 'f' : 'h'}, out{row_parallel ? 'h' : 'f'};
  Graph graph(DType::f64);
  graph.set_extent({'b'}, sizes.batch);
  graph.set_extent(in, sizes.in);
  graph.set_extent(out, sizes.out);
  Value *x = graph.input("x", {Name{'b'}, in}, DType::f64), *dy = graph.input("dy", {Name{'b'}, out}, DType::f64);
  x->wants_gradient = true;
  Value* w = graph.parameter("w", {in, out}, ParameterRole::linear, {});
  Value* y = linear(graph.apply_one("add", {x}), w, nullptr);
  Gradients gradients = backward(graph, y, graph.apply_one("add", {dy}));
  Value *dx = gradients.at(x), *dw = gradients.at(w);

  const auto [b, i, o] = sizes;
  const LogicalTensor given_x = integers("x", b * i), given_w = integers("w", i * o), given_dy = integers("dy", b * o);
  const test::GraphRun run = test::run_graph(graph, mode, {{"x", given_x}, {"w", given_w}, {"dy", given_dy}},
                                             {.keep_gathered = keep_gathered, .fetch = {y, dx, dw}});
  INFO(mode.name << (row_parallel ? " row" : "") << " on " << mode.mesh.text() << ", " << b << " x " << i << " x "
                 << o);
  CHECK(run.replicas_equal);
  CHECK(run.values.at(y) == product(given_x, given_w, b, i, o));
  CHECK(run.values.at(dx) == product(given_dy, transposed(given_w, i, o), b, o, i));
  CHECK(run.values.at(dw) == product(transposed(given_x, b, i), given_dy, i, b, o));
  for (std::size_t rank = 0; rank < run.planned.size(); ++rank) {
    CHECK(test::GraphRun::total(run.planned[rank]) == 8 * elements);
    CHECK(run.counted[rank] == run.planned[rank]);
  }
}

TEST_CASE("1d column-parallel sends 2 (P-1)/P |X|", "[bytes][1d]") {
  for (const int p : {2, 4})
    for (const Sizes& s : three_sizes) check_layer(make_mode("1d", 1, {p}), s, false, 2 * (p - 1) * s.batch * s.in / p);
}

TEST_CASE("1d row-parallel sends 2 (P-1)/P |Y|", "[bytes][1d]") {
  for (const int p : {2, 4})
    for (const Sizes& s : three_sizes) check_layer(make_mode("1d", 1, {p}), s, true, 2 * (p - 1) * s.batch * s.out / p);
}

TEST_CASE("2d sends 3 (q-1)/q² (|X| + |W|)", "[bytes][2d]") {
  for (const int q : {2, 3})
    for (const Sizes& s : three_sizes)
      for (const bool row_parallel : {false, true})
        check_layer(make_mode("2d", 1, {q * q}), s, row_parallel,
                    3 * (q - 1) * (s.batch * s.in + s.in * s.out) / (q * q));
}

TEST_CASE("2.5d sends 3 (q-1)/q² (|X|/d + |W|) + 2 (d-1)/d |W|/q²", "[bytes][2.5d]") {
  for (const auto& [q, d] : {std::pair(2, 1), {2, 2}, {2, 3}, {3, 2}})
    for (const Sizes& s : three_sizes)
      for (const bool row_parallel : {false, true}) {
        const std::int64_t x = s.batch * s.in, w = s.in * s.out;
        check_layer(make_mode("2.5d", 1, {q * q * d, d}), s, row_parallel,
                    3 * (q - 1) * (x / d + w) / (q * q) + 2 * (d - 1) * w / (d * q * q));
      }
}

TEST_CASE("3d sends 2 (q-1)/q³ (|X| + |W| + |Y|), and half of X and W again where they are not kept", "[bytes][3d]") {
  for (const int q : {2, 3})
    for (const Sizes& s : three_sizes)
      for (const bool row_parallel : {false, true})
        for (const bool keep : {false, true}) {
          const std::int64_t x = s.batch * s.in, w = s.in * s.out, y = s.batch * s.out;
          check_layer(make_mode("3d", 1, {q * q * q}), s, row_parallel,
                      (q - 1) * ((keep ? 2 : 3) * (x + w) + 2 * y) / (q * q * q), keep);
        }
}

// Data parallelism adds the all-reduce of dW; under 2d each rank holds 1/q² of it, and 1/D of the batch.
TEST_CASE("Data parallelism sends 2 (D-1)/D of the weight's gradient", "[bytes][data]") {
  for (const Sizes& s : three_sizes) {
    check_layer(make_mode("", 4, {1}), s, false, 2 * 3 * s.in * s.out / 4);
    check_layer(make_mode("2d", 2, {4}), s, false, 3 * (s.batch * s.in / 2 + s.in * s.out) / 4 + s.in * s.out / 4);
  }
}

TEST_CASE("A batch that does not divide is padded, and its results are the same", "[2d]") {
  const Sizes sizes{22, 36, 72};  // 24 rows on a grid of 9 and on data 2 x 2d 4
  const std::int64_t padded = 24;
  check_layer(make_mode("2d", 1, {9}), sizes, false, 3 * 2 * (padded * sizes.in + sizes.in * sizes.out) / 9);
  check_layer(make_mode("2d", 2, {4}), sizes, false,
              3 * (padded * sizes.in / 2 + sizes.in * sizes.out) / 4 + sizes.in * sizes.out / 4);
}

}  // namespace
}  // namespace ctrain
