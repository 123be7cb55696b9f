#include "runtime/initialize.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <mutex>

#include "../support/program_on_rank.h"
#include "parallel/partition.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using Weights = std::map<std::string, test::LogicalTensor>;

// The initial weights of the small job on this mesh, put together; `equal`: ranks that share a part agree on it.
Weights initial_weights(const test::MeshCase& mesh, bool& equal, std::uint64_t seed = 7) {
  JobOptions job = test::small_job(mesh, 12);
  job.seed = seed;
  Weights weights;
  std::mutex mutex;
  test::run_job(job, [&](Rank& rank, Communicator&) {
    const Program& program = rank.plan().training.compiled.program;
    const std::lock_guard lock(mutex);
    for (const Block& block : program.blocks) {
      if (block.storage != Block::Storage::parameter) continue;
      const auto [it, fresh] = weights.try_emplace(block.value->name);
      if (fresh) it->second = test::unknown_tensor(program, block.operand.dims);
      const std::vector<std::byte> bytes = rank.read(block.value->name);
      const auto* data = reinterpret_cast<const double*>(bytes.data());
      equal = test::collect_block(program, block, data, it->second) && equal;
    }
  });
  return weights;
}

TEST_CASE("Initial weights do not depend on the mesh, only on the seed", "[initialize]") {
  bool equal = true;
  const Weights serial = initial_weights({}, equal);
  REQUIRE(serial.size() == 2 * 12 + 8);
  for (const test::MeshCase& mesh : {test::MeshCase{"1d", 1, 4}, {"2d", 1, 9}, {"2d", 2, 4}, {"", 2, 1}})
    CHECK(initial_weights(mesh, equal) == serial);
  CHECK(equal);
  const Weights other = initial_weights({}, equal, 8);
  CHECK(other.at("head.weight") != serial.at("head.weight"));
  CHECK(serial.at("blocks.0.attn.proj.weight") != serial.at("blocks.1.attn.proj.weight"));
}

struct Moments {
  double mean = 0, deviation = 0, least = 0, largest = 0;
};

// Of 200 x 500 numbers, drawn as a parameter is; with that many the mean is known to 1/316 of the deviation.
Moments moments(const Initializer& initializer) {
  Graph graph(DType::f64);
  graph.set_extent({'h'}, 200);
  graph.set_extent({'f'}, 500);
  graph.parameter("weight", "hf", ParameterRole::linear, initializer);
  const Program program = partition(graph, make_mode("", 1, {1}), 0, {});
  std::vector<double> x(200 * 500);
  initialize(program, program.blocks[0], 3, x.data());
  Moments m;
  for (const double v : x) m.mean += v / static_cast<double>(x.size());
  for (const double v : x) m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(x.size());
  m.deviation = std::sqrt(m.deviation);
  m.least = *std::min_element(x.begin(), x.end());
  m.largest = *std::max_element(x.begin(), x.end());
  return m;
}

constexpr double five_sigma = 5 / 316.0;  // of a mean, in deviations

TEST_CASE("Uniform weights fill their bounds evenly", "[initialize]") {
  const Moments m = moments({Initializer::Kind::uniform, 0.25});
  CHECK(std::abs(m.mean) < five_sigma * 0.25 / std::sqrt(3));
  CHECK(m.deviation == Approx(0.25 / std::sqrt(3)).epsilon(0.01));
  CHECK(m.least >= -0.25);
  CHECK(m.largest <= 0.25);
  CHECK(m.least < -0.2499);
  CHECK(m.largest > 0.2499);
}

TEST_CASE("Normal weights have their deviation and tails", "[initialize]") {
  const Moments m = moments({Initializer::Kind::normal, 0.02});
  CHECK(std::abs(m.mean) < five_sigma * 0.02);
  CHECK(m.deviation == Approx(0.02).epsilon(0.01));
  CHECK(m.least < -3.5 * 0.02);
  CHECK(m.largest > 3.5 * 0.02);
}

TEST_CASE("Truncated normal weights end at two deviations", "[initialize]") {
  const Moments m = moments({Initializer::Kind::truncated_normal, 0.02});
  CHECK(std::abs(m.mean) < five_sigma * 0.02);
  CHECK(m.deviation == Approx(0.87962566 * 0.02).epsilon(0.01));  // of a normal variate cut there
  CHECK(m.least >= -0.04);
  CHECK(m.largest <= 0.04);
  CHECK(m.least < -0.0399);
  CHECK(m.largest > 0.0399);
}

TEST_CASE("Constants", "[initialize]") {
  const Moments m = moments({Initializer::Kind::constant, 1});
  CHECK(m.least == 1);
  CHECK(m.largest == 1);
}

TEST_CASE("The ViT's two ways to begin", "[initialize]") {
  const auto initializer = [](const std::string& method, const std::string& name) {
    Graph graph;
    graph.set_extent({'b'}, 4);
    VitOptions options{.img_size = 8, .patch_size = 4, .in_channels = 3, .num_classes = 10, .hidden_size = 16};
    options.depth = 1;
    options.num_heads = 2;
    options.init_method = method;
    (void)make_vit(options)->build(graph, {true, {{3, 8, 8}}, {}});
    for (const Value* parameter : graph.parameters())
      if (parameter->name == name) return parameter->initializer;
    FAIL("no parameter " << name);
    return Initializer{};
  };
  const auto is = [](const Initializer& a, Initializer::Kind kind, double value) {
    return a.kind == kind && a.value == Approx(value);
  };
  using Kind = Initializer::Kind;
  for (const std::string method : {"torch", "timm"}) {
    CHECK(is(initializer(method, "norm.weight"), Kind::constant, 1));
    CHECK(is(initializer(method, "norm.bias"), Kind::constant, 0));
  }
  CHECK(is(initializer("torch", "blocks.0.mlp.fc2.weight"), Kind::uniform, 1 / 8.0));  // 64 inputs
  CHECK(is(initializer("torch", "blocks.0.mlp.fc2.bias"), Kind::uniform, 1 / 8.0));
  CHECK(is(initializer("torch", "patch_embed.proj.weight"), Kind::uniform, 1 / std::sqrt(48.0)));
  CHECK(is(initializer("torch", "cls_token"), Kind::constant, 0));
  CHECK(is(initializer("torch", "pos_embed"), Kind::constant, 0));
  CHECK(is(initializer("timm", "blocks.0.mlp.fc2.weight"), Kind::truncated_normal, 0.02));
  CHECK(is(initializer("timm", "blocks.0.mlp.fc2.bias"), Kind::constant, 0));
  CHECK(is(initializer("timm", "cls_token"), Kind::normal, 1e-6));
  CHECK(is(initializer("timm", "pos_embed"), Kind::truncated_normal, 0.02));
}

}  // namespace
}  // namespace ctrain
