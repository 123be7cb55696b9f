// A rank's blocks have the documented shapes.
#include <catch2/catch.hpp>

#include "ops/build.h"
#include "parallel/partition.h"
#include "runtime/models/mlp.h"
#include "runtime/models/vit.h"
#include "runtime/training_graph.h"

namespace ctrain {
namespace {

using Shape = std::vector<std::int64_t>;

const Block& block(const Program& program, BlockId id) { return program.blocks[static_cast<std::size_t>(id)]; }
const Block& parameter(const Program& program, const std::string& name) {
  return block(program, program.persistent.at(name));
}

// The documents' two-layer example 256 -> 1024 -> 256 on 16 rows: W1, W2, X, Y = X W1, Z = Y W2.
std::vector<Shape> mlp_shapes(const Mode& mode, int rank) {
  Graph graph;
  for (const auto& [letter, extent] : {std::pair('b', 16), {'h', 256}, {'f', 1024}}) graph.set_extent({letter}, extent);
  Value* x = graph.input("x", "bh", DType::f32);
  Value* w1 = graph.parameter("w1", "hf", ParameterRole::linear, {});
  Value* w2 = graph.parameter("w2", "fh", ParameterRole::linear, {});
  Value* y = linear(x, w1, nullptr);
  Value* z = linear(y, w2, nullptr);
  const Program program = partition(graph, mode, rank, {.fetch = {w1, w2, x, y, z}});
  std::vector<Shape> shapes;
  for (const Value* value : {w1, w2, x, y, z}) shapes.push_back(block(program, program.kept.at(value)).operand.shape);
  return shapes;
}

TEST_CASE("The documented MLP under 1d", "[shapes][1d]") {
  for (int rank = 0; rank < 2; ++rank)
    CHECK(mlp_shapes(make_mode("1d", 1, {2}), rank) ==
          std::vector<Shape>{{256, 512}, {512, 256}, {16, 256}, {16, 512}, {16, 256}});
}

TEST_CASE("The documented MLP under 2d", "[shapes][2d]") {
  for (int rank = 0; rank < 4; ++rank)
    CHECK(mlp_shapes(make_mode("2d", 1, {4}), rank) ==
          std::vector<Shape>{{128, 512}, {512, 128}, {8, 128}, {8, 512}, {8, 128}});
}

TEST_CASE("The documented MLP under 2.5d", "[shapes][2.5d]") {
  for (int rank = 0; rank < 8; ++rank)
    CHECK(mlp_shapes(make_mode("2.5d", 1, {8, 2}), rank) ==
          std::vector<Shape>{{128, 512}, {512, 128}, {4, 128}, {4, 512}, {4, 128}});
}

TEST_CASE("The documented MLP under 3d", "[shapes][3d]") {
  for (int rank = 0; rank < 8; ++rank)
    CHECK(mlp_shapes(make_mode("3d", 1, {8}), rank) ==
          std::vector<Shape>{{128, 256}, {512, 64}, {4, 128}, {4, 512}, {4, 128}});
}

// Of the serial layer: W 1/P, 1/q², 1/q², 1/q³; X 1, 1/q², 1/(d q²), 1/q³.
TEST_CASE("A rank's share of parameters and activations", "[shapes][memory]") {
  struct Share {
    std::string mode;
    TensorSize tensor;
    std::int64_t parameters, activations;
  };
  for (const Share& share :
       {Share{"1d", {4}, 4, 1}, {"2d", {4}, 4, 4}, {"2d", {16}, 16, 16}, {"2.5d", {8, 2}, 4, 8}, {"3d", {8}, 8, 8}}) {
    const std::vector<Shape> shapes = mlp_shapes(make_mode(share.mode, 1, share.tensor), 0);
    INFO(share.mode << " " << share.tensor.size);
    CHECK(shapes[0][0] * shapes[0][1] * share.parameters == 256 * 1024);
    CHECK(shapes[2][0] * shapes[2][1] * share.activations == 16 * 256);
  }
}

TEST_CASE("The model `mlp` has the documented shapes too", "[shapes]") {
  const auto model = make_mlp({.dims = {256, 1024, 256}});
  const ModelOptions options{true, {{256}}, {.labels = false}};
  const StepGraph step =
      build_step(*model, options, 16, DType::f32, {.kind = LossOptions::Kind::mean_squared_error}, {});
  const auto shapes = [&](const std::string& mode, int size) {
    const Program program = partition(*step.graph, make_mode(mode, 1, {size}), 0, {.fetch = step.metrics()});
    std::vector<Shape> result;
    for (const char* name : {"dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"})
      result.push_back(parameter(program, name).operand.shape);
    return result;
  };
  CHECK(shapes("1d", 2) == std::vector<Shape>{{256, 512}, {512}, {512, 256}, {256}});
  CHECK(shapes("2d", 4) == std::vector<Shape>{{128, 512}, {256}, {512, 128}, {64}});
}

// Example 3.5c of the reference: ViT under 2d, q = 2, batch 16, images 32 x 32, patches 4 x 4, 64 wide, 4 heads,
// MLP ratio 2, 10 classes, seen from the rank in row 1, column 0.
TEST_CASE("The worked ViT example under 2d", "[shapes][2d]") {
  Graph graph;
  graph.set_extent({'b'}, 16);
  const auto vit = make_vit({.img_size = 32,
                             .patch_size = 4,
                             .num_classes = 10,
                             .hidden_size = 64,
                             .depth = 1,
                             .num_heads = 4,
                             .mlp_ratio = 2});
  Value* logits = vit->build(graph, {true, {{3, 32, 32}}, {}});
  PartitionOptions options;
  for (const Node& node : graph.nodes()) options.fetch.push_back(node.outputs[0]);
  const Program program = partition(graph, make_mode("2d", 1, {4}), 2, options);

  const auto stored = [&](const std::string& name) { return parameter(program, name).operand; };
  CHECK(stored("patch_embed.proj.weight").shape == Shape{48, 16});  // [k, h]; gathered over row: [48, 32]
  CHECK(stored("blocks.0.attn.qkv.weight").shape == Shape{32, 3, 2, 16});
  CHECK(stored("blocks.0.attn.qkv.weight").elements() == 32 * 96);
  CHECK(stored("blocks.0.attn.qkv.bias").elements() == 48);
  CHECK(stored("blocks.0.attn.proj.weight").elements() == 32 * 32);
  CHECK(stored("blocks.0.attn.proj.bias").shape == Shape{16});
  CHECK(stored("blocks.0.norm1.weight").shape == Shape{16});
  CHECK(stored("blocks.0.mlp.fc1.weight").shape == Shape{32, 64});
  CHECK(stored("blocks.0.mlp.fc1.bias").shape == Shape{32});
  CHECK(stored("blocks.0.mlp.fc2.weight").shape == Shape{64, 32});
  CHECK(stored("blocks.0.mlp.fc2.bias").shape == Shape{16});
  CHECK(stored("norm.weight").shape == Shape{16});
  CHECK(stored("head.weight").shape == Shape{16, 10});  // [in, out] where the documents say [10, 16]
  CHECK(stored("head.bias").shape == Shape{10});

  REQUIRE(program.feeds.size() == 1);
  CHECK(program.feeds[0].first_row == 8);
  CHECK(program.feeds[0].rows == 8);
  CHECK(block(program, program.feeds[0].block).operand.shape == Shape{8, 3, 32, 32});

  // Every activation of these dimensions has this shape at home.
  const std::map<std::string, Shape> expected{{"bsh", {8, 65, 32}},
                                              {"bstnd", {8, 65, 3, 2, 16}},
                                              {"bsnd", {8, 65, 2, 16}},
                                              {"bsf", {8, 65, 64}},
                                              {"bh", {8, 32}}};
  std::map<std::string, int> seen;
  for (const auto& [value, id] : program.kept) {
    const std::string dims = value->dims.text();
    if (!expected.contains(dims)) continue;
    INFO(value->name << " [" << dims << "]");
    CHECK(block(program, id).operand.shape == expected.at(dims));
    ++seen[dims];
  }
  CHECK(seen.size() == expected.size());
  CHECK(block(program, program.kept.at(logits)).operand.shape == Shape{8, 10});
}

}  // namespace
}  // namespace ctrain
