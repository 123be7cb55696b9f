// Ring attention beside the elements it sends: (6P - 4)/P |K| for forward and backward
// (parallel/tensor/ring_attention.h).
#include "parallel/tensor/ring_attention.h"

#include <catch2/catch.hpp>

#include "ops/autodiff.h"
#include "ops/build.h"
#include "ops/philox.h"
#include "tests/support/graph_on_ranks.h"

namespace ctrain {
namespace {

struct Run {
  test::GraphRun ranks;
  std::vector<test::LogicalTensor> results;  // o and dqkv
};

test::LogicalTensor random_tensor(const std::string& name, std::int64_t count) {
  test::LogicalTensor tensor(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor[i] = random_normal(random_key(2, name), i);
  return tensor;
}

Run attend(const Mode& mode, std::int64_t tokens, bool causal, double dropout_rate) {
  constexpr std::int64_t batch = 2, heads = 2, width = 4;
  Graph graph(DType::f64);
  for (const auto& [letter, extent] :
       {std::pair('b', batch), {'s', tokens}, {'t', std::int64_t{3}}, {'n', heads}, {'d', width}})
    graph.set_extent({letter}, extent);
  Value *qkv = graph.input("qkv", "bstnd", DType::f64), *dy = graph.input("dy", "bsnd", DType::f64);
  qkv->wants_gradient = true;
  Value* o = attention(qkv, causal, dropout_rate);
  Value* gradient = backward(graph, o, dy).at(qkv);
  const std::int64_t elements = batch * tokens * heads * width;
  Run run;
  run.ranks =
      test::run_graph(graph, mode, {{"qkv", random_tensor("qkv", 3 * elements)}, {"dy", random_tensor("dy", elements)}},
                      {.seed = 3, .fetch = {o, gradient}});
  run.results = {run.ranks.values.at(o), run.ranks.values.at(gradient)};
  return run;
}

double distance(const test::LogicalTensor& a, const test::LogicalTensor& b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < b.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

TEST_CASE("Ring attention is attention", "[sequence]") {
  for (const bool causal : {false, true})
    for (const std::int64_t tokens : {1, 7, 16}) {
      const Run serial = attend(make_mode("", 1, {1}), tokens, causal, 0.2);
      for (const int p : {2, 3, 4, 8}) {  // of one token on eight ranks, seven hold padding only
        const Run ring = attend(make_mode("sequence", 1, {p}), tokens, causal, 0.2);
        INFO((causal ? "causal, " : "") << tokens << " tokens on " << p);
        for (std::size_t i = 0; i < 2; ++i) CHECK(distance(ring.results[i], serial.results[i]) < 1e-12);
      }
    }
}

TEST_CASE("Ring attention sends (6P - 4)/P |K|", "[bytes][sequence]") {
  for (const int p : {2, 4})
    for (const std::int64_t tokens : {8, 16, 24}) {
      const Run run = attend(make_mode("sequence", 1, {p}), tokens, true, 0);
      const std::int64_t keys = 2 * tokens * 2 * 4;
      for (std::size_t rank = 0; rank < run.ranks.planned.size(); ++rank) {
        CHECK(test::GraphRun::total(run.ranks.planned[rank]) == 8 * (6 * p - 4) * keys / p);
        CHECK(run.ranks.counted[rank] == run.ranks.planned[rank]);
      }
    }
}

// The pairs of query and key that a rank's kernels see, per rank, where attention is causal.
TEST_CASE("Zigzag gives every rank the same share of causal work", "[sequence]") {
  for (const int p : {2, 4, 8}) {
    Graph graph;
    const std::int64_t tokens = 16 * p;
    for (const auto& [letter, extent] : {std::pair('b', std::int64_t{1}),
                                         {'s', tokens},
                                         {'t', std::int64_t{3}},
                                         {'n', std::int64_t{1}},
                                         {'d', std::int64_t{1}}})
      graph.set_extent({letter}, extent);
    attention(graph.input("qkv", "bstnd", DType::f32), true, 0);
    const Dimensions dimensions = make_mode("sequence", 1, {p}).dimensions(graph);
    for (int rank = 0; rank < p; ++rank) {
      const Segments held = dimensions.stored({'s'}, rank * 16, 16);
      std::int64_t pairs = 0;
      for (std::int64_t i = 0; i < held.length(); ++i) pairs += held.logical(i) + 1;
      CHECK(pairs == tokens * (tokens + 1) / 2 / p);
    }
  }
}

}  // namespace
}  // namespace ctrain
