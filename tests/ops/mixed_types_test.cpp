// Kernels of bf16 and fp16 programs, in which statistics, weights and parameters stay in fp32: against the fp64
// reference on the same operands.
#include <catch2/catch.hpp>

#include "ops/philox.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

struct Mixed {
  struct Value {
    Names dims;
    char type;  // n: the narrow one, s: fp32, i: labels
  };
  std::string op;
  std::vector<Value> inputs, outputs;
  std::vector<int> in_place = {};
  bool rounds = false;  // in between, to the narrow type: so must the reference
};

const std::vector<Mixed> all_mixed{
    {"layer_norm_sum", {{"bsh", 'n'}}, {{"bs", 's'}}},
    {"layer_norm_squares", {{"bsh", 'n'}, {"bs", 's'}}, {{"bs", 's'}}},
    {"layer_norm", {{"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"h", 's'}, {"h", 's'}}, {{"bsh", 'n'}}},
    {"layer_norm_fused", {{"bsh", 'n'}, {"h", 's'}, {"h", 's'}}, {{"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}}},
    {"layer_norm_fused",
     {{"bsh", 'n'}, {"h", 's'}, {"h", 's'}, {"bsh", 'n'}},
     {{"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"bsh", 'n'}},
     {},
     true},
    {"layer_norm_grad_sums",
     {{"bsh", 'n'}, {"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"h", 's'}},
     {{"bs", 's'}, {"bs", 's'}}},
    {"layer_norm_grad_input",
     {{"bsh", 'n'}, {"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"h", 's'}, {"bs", 's'}, {"bs", 's'}},
     {{"bsh", 'n'}}},
    {"layer_norm_grad_weight", {{"bsh", 'n'}, {"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}}, {{"h", 's'}}},
    {"layer_norm_grad_fused",
     {{"bsh", 'n'}, {"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"h", 's'}},
     {{"bsh", 'n'}, {"h", 's'}, {"h", 's'}}},
    {"layer_norm_grad_fused",
     {{"bsh", 'n'}, {"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"h", 's'}, {"bsh", 'n'}},
     {{"bsh", 'n'}, {"h", 's'}, {"h", 's'}}},
    {"class_max", {{"bsh", 'n'}}, {{"bs", 's'}}},
    {"class_sum_exp", {{"bsh", 'n'}, {"bs", 's'}}, {{"bs", 's'}}},
    {"class_target", {{"bsh", 'n'}, {"bs", 'i'}}, {{"bs", 's'}}},
    {"class_nll", {{"bs", 's'}, {"bs", 's'}, {"bs", 's'}, {"bs", 'i'}}, {{"bs", 's'}}},
    {"cross_entropy_grad", {{"bsh", 'n'}, {"bs", 's'}, {"bs", 's'}, {"bs", 'i'}, {"", 's'}}, {{"bsh", 'n'}}},
    {"cross_entropy_fused", {{"bsh", 'n'}, {"bs", 'i'}}, {{"bs", 's'}, {"bs", 's'}, {"bs", 's'}, {"bs", 's'}}},
    {"squared_error", {{"bsh", 'n'}, {"bsh", 's'}, {"bs", 'i'}}, {{"bs", 's'}}},
    {"squared_error_grad", {{"bsh", 'n'}, {"bsh", 's'}, {"bs", 'i'}, {"", 's'}}, {{"bsh", 'n'}}},
    {"sgd_update", {{"sh", 's'}, {"sh", 'n'}, {"sh", 's'}}, {{"sh", 's'}, {"sh", 's'}}, {0, 2}},
    {"adam_update",
     {{"sh", 's'}, {"sh", 'n'}, {"sh", 's'}, {"sh", 's'}},
     {{"sh", 's'}, {"sh", 's'}, {"sh", 's'}},
     {0, 2, 3}}};

LocalNode local_node(const Mixed& mixed, const Extents& extents, const Block& block, DType narrow, DType single) {
  LocalNode node;
  node.op = node.name = mixed.op;
  node.attributes = {{"epsilon", 1e-5},
                     {"smoothing", 0.1},
                     {"momentum", 0.9},
                     {"decay", 0.01},
                     {"beta1", 0.9},
                     {"beta2", 0.999},
                     {"decoupled", std::int64_t{1}}};
  node.extents = extents;
  for (const auto& [name, extent] : extents)
    node.segments[name] = block.contains(name) ? block.at(name) : whole(extent);
  const auto operand = [&](const Mixed::Value& value) {
    const DType type = value.type == 'i' ? DType::i32 : value.type == 'n' ? narrow : single;
    return Operand{value.dims, type, local_shape(value.dims, extents, block)};
  };
  for (const Mixed::Value& value : mixed.inputs) node.inputs.push_back(operand(value));
  for (const Mixed::Value& value : mixed.outputs) node.outputs.push_back(operand(value));
  return node;
}

// Reals from 0.5 to 1.5 (a layer norm's sums over a row: times its width), as they are in the operand's type; labels
// from -1 to below the width.
Tensor numbers(const LocalNode& node, std::size_t i) {
  const Operand& operand = node.inputs[i];
  const std::int64_t width = node.extent({'h'});
  const bool is_sum = node.op.starts_with("layer_norm") && operand.dims == Names("bs");
  const std::uint64_t key = random_key(7, std::to_string(i));
  Tensor tensor;
  for (std::int64_t j = 0; j < operand.elements(); ++j) {
    const auto index = static_cast<std::uint64_t>(j);
    tensor.push_back(operand.dtype == DType::i32
                         ? static_cast<double>(random_below(key, index, static_cast<std::uint64_t>(width) + 1)) - 1
                         : (random_uniform(key, index) + 0.5) * (is_sum ? static_cast<double>(width) : 1));
  }
  return rounded(tensor, operand.dtype);
}

void check(const Mixed& mixed, const Extents& extents, const Block& block, DType narrow) {
  INFO(mixed.op << " of " << mixed.inputs.size() << ", " << name_of(narrow) << ", width " << extents.at({'h'}));
  const LocalNode node = local_node(mixed, extents, block, narrow, DType::f32);
  if (KernelTable::instance().find(Backend::cuda, node.op, kernel_type(node)) == nullptr) return;
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(numbers(node, i));
  const LocalNode exact = mixed.rounds ? node : local_node(mixed, extents, block, DType::f64, DType::f64);
  const std::vector<Tensor> expected = NodeRunner(exact, mixed.in_place, {}).run(inputs);
  NodeRunner runner(node, mixed.in_place, {.backend = Backend::cuda});
  const std::vector<Tensor> outputs = runner.run(inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    CHECK(relative_error(outputs[i], expected[i]) < (node.outputs[i].dtype == DType::f32 ? 1e-5 : 1e-2));
  CHECK(runner.run(inputs) == outputs);
  CHECK(runner.allocations() == 0);
}

TEST_CASE("CUDA's kernels take fp32 statistics, weights and parameters beside bf16 and fp16") {
  if (!has_device(Backend::cuda)) return;
  constexpr Name b{'b'}, s{'s'}, h{'h'};
  for (const DType narrow : {DType::bf16, DType::f16, DType::f32})
    for (const Mixed& mixed : all_mixed) {
      // What a warp holds in registers, what it reads once more, and what a block does; rows that begin anywhere.
      for (const auto& [rows, width] : {std::pair{65, 64}, std::pair{65, 6}, std::pair{5, 768}, std::pair{1, 2312},
                                        std::pair{1, 8200}, std::pair{1, 3001}})
        check(mixed, {{b, 2}, {s, rows}, {h, width}}, {}, narrow);
    }
}

TEST_CASE("CUDA's kernels leave out padding wherever it stands") {
  if (!has_device(Backend::cuda)) return;
  constexpr Name b{'b'}, s{'s'}, h{'h'};
  for (const Mixed& mixed : all_mixed) {
    if (mixed.op.ends_with("_fused")) continue;  // rows are whole there
    for (const std::int64_t width : {61, 4500})
      for (const Segments& part : split(width, 2, true))
        check(mixed, {{b, 2}, {s, 3}, {h, width}}, {{h, part}}, DType::bf16);
  }
}

TEST_CASE("CUDA's gradients of a layer norm of more rows than a GPU works on at once") {
  if (!has_device(Backend::cuda)) return;
  for (Mixed mixed : all_mixed) {
    if (mixed.op != "layer_norm_grad_fused") continue;
    for (const std::size_t overwritten : {0, 5}) {  // dy, the residual's gradient
      if (overwritten >= mixed.inputs.size()) continue;
      mixed.in_place = {static_cast<int>(overwritten)};
      for (const auto& [rows, width] : {std::pair{3300, 8}, std::pair{200, 1032}})
        check(mixed, {{{'b'}, 2}, {{'s'}, rows}, {{'h'}, width}}, {}, DType::bf16);
    }
  }
}

TEST_CASE("of no rows, CUDA's kernels give gradients of zero") {
  if (!has_device(Backend::cuda)) return;
  for (const Mixed& mixed : all_mixed) check(mixed, {{{'b'}, 0}, {{'s'}, 3}, {{'h'}, 64}}, {}, DType::bf16);
}

TEST_CASE("a combination of types without a CUDA kernel is refused by name") {
  if (!has_device(Backend::cuda)) return;
  const Mixed mixed{"layer_norm_grad_weight", {{"bsh", 'n'}, {"bsh", 's'}, {"bs", 's'}, {"bs", 's'}}, {{"h", 's'}}};
  const LocalNode node = local_node(mixed, {{{'b'}, 2}, {{'s'}, 3}, {{'h'}, 8}}, {}, DType::bf16, DType::f32);
  CHECK_THROWS_WITH(KernelTable::instance().make(Backend::cuda, node),
                    "CUDA has no kernel for layer_norm_grad_weight of bf16 with input 1 in fp32");
}

}  // namespace
}  // namespace ctrain::testing
