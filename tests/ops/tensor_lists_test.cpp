// Lists of tensors (ops/tensor_list.h): each tensor gets what it gets alone, to the bit, and what the fp64 reference
// makes of it.
#include <catch2/catch.hpp>

#include "ops/philox.h"
#include "tests/support/evaluate.h"
#include "tests/support/threads.h"

namespace ctrain::testing {
namespace {

struct Types {
  DType first;   // of all operands
  DType second;  // but gradients that an update reads, and what a cast writes
};

struct ListOp {
  [[nodiscard]] DType input(std::size_t k, Types types) const { return k == 1 ? types.second : types.first; }
  [[nodiscard]] DType output(Types types) const {
    if (op == "cast") return types.second;
    return op == "sum_squares" && size_of(types.first) == 2 ? DType::f32 : types.first;
  }

  std::string op;
  std::size_t inputs, outputs;  // of one tensor
  std::vector<int> in_place = {};
};

const std::vector<ListOp> updates{
    {"sgd_update", 2, 1, {0}}, {"sgd_update", 3, 2, {0, 2}}, {"adam_update", 4, 3, {0, 2, 3}}};
const ListOp cast{"cast", 1, 1}, squares{"sum_squares", 1, 1};

// Extents of a tensor's dimensions: a number, none, one, whole chunks of the kernels and a little more. And more of
// them than one launch takes.
std::vector<std::vector<std::int64_t>> shapes() {
  std::vector<std::vector<std::int64_t>> result{{3, 6001}, {1}, {0}, {8192}, {}, {7}, {8193}, {2, 8192}, {31}};
  for (std::int64_t i = 0; i < 300; ++i) result.push_back({i % 13 + 1});
  return result;
}
constexpr std::size_t alone = 10;  // of these are tested alone

LocalNode node_of(const ListOp& list, Types types, std::size_t first, std::size_t last) {
  LocalNode node;
  node.op = node.name = list.op;
  node.attributes = {{"momentum", 0.9}, {"decay", 0.01},   {"beta1", 0.9},
                     {"beta2", 0.999},  {"epsilon", 1e-5}, {"decoupled", std::int64_t{1}}};
  const auto all = shapes();
  for (std::size_t t = first; t < last; ++t) {
    const Names dims = all[t].size() == 2 ? "hf" : all[t].size() == 1 ? "h" : "";
    for (std::size_t k = 0; k < list.inputs; ++k) node.inputs.push_back({dims, list.input(k, types), all[t]});
    for (std::size_t k = 0; k < list.outputs; ++k) {
      const bool is_sum = list.op == "sum_squares";
      node.outputs.push_back(
          {is_sum ? Names() : dims, list.output(types), is_sum ? std::vector<std::int64_t>{} : all[t]});
    }
  }
  return node;
}

// Numbers from 0.5 to 1.5, as they are in the operand's type.
std::vector<Tensor> numbers(const LocalNode& node) {
  std::vector<Tensor> result;
  for (const Operand& operand : node.inputs) {
    const std::uint64_t key = random_key(7, std::to_string(result.size()));
    Tensor tensor;
    for (std::int64_t i = 0; i < operand.elements(); ++i)
      tensor.push_back(random_uniform(key, static_cast<std::uint64_t>(i)) + 0.5);
    result.push_back(rounded(tensor, operand.dtype));
  }
  return result;
}

std::vector<int> in_place(const ListOp& list, std::size_t tensors) {
  std::vector<int> result;
  for (std::size_t t = 0; t < tensors; ++t)
    for (const int input : list.in_place) result.push_back(static_cast<int>(t * list.inputs) + input);
  return result;
}

double tolerance(DType type) { return type == DType::f64 ? 1e-12 : type == DType::f32 ? 1e-5 : 1e-2; }

void check(const ListOp& list, Backend backend, Types types) {
  INFO(list.op << " of " << list.inputs << " in " << name_of(types.first) << " and " << name_of(types.second));
  const Evaluation how{.backend = backend};
  const std::size_t tensors = shapes().size();
  const LocalNode node = node_of(list, types, 0, tensors);
  const std::vector<Tensor> inputs = numbers(node);
  NodeRunner runner(node, in_place(list, tensors), how);
  const std::vector<Tensor> outputs = runner.run(inputs);
  CHECK(runner.run(inputs) == outputs);
  CHECK(runner.allocations() == 0);
  for (std::size_t t = 0; t < tensors; ++t) {
    const auto begin = inputs.begin() + static_cast<std::ptrdiff_t>(t * list.inputs);
    const std::vector<Tensor> own(begin, begin + static_cast<std::ptrdiff_t>(list.inputs));
    const LocalNode exact = node_of(list, {DType::f64, DType::f64}, t, t + 1);
    const std::vector<Tensor> expected = NodeRunner(exact, list.in_place, {}).run(own);
    std::vector<Tensor> by_itself;
    if (t < alone) by_itself = NodeRunner(node_of(list, types, t, t + 1), list.in_place, how).run(own);
    for (std::size_t k = 0; k < list.outputs; ++k) {
      const Tensor& output = outputs[t * list.outputs + k];
      INFO("output " << k << " of tensor " << t);
      CHECK(relative_error(output, expected[k]) < tolerance(list.output(types)));
      if (t < alone) CHECK(output == by_itself[k]);
    }
  }
}

void check_all(Backend backend, const std::vector<Types>& of_updates) {
  for (const ListOp& update : updates)
    for (const Types& types : of_updates) check(update, backend, types);
  for (const DType type : {DType::f32, DType::bf16, DType::f16}) check(squares, backend, {type, type});
  for (const Types& types :
       std::vector<Types>{{DType::f32, DType::bf16}, {DType::f32, DType::f16}, {DType::bf16, DType::f32}})
    check(cast, backend, types);
}

TEST_CASE("a kernel gives each tensor of a list what it gets alone", "[lists]") {
  check_all(Backend::reference, {{DType::f64, DType::f64}, {DType::f32, DType::f32}, {DType::bf16, DType::bf16}});
  for (const int count : {1, 3}) {
    const Threads threads(count);
    check_all(Backend::cpu, {{DType::f32, DType::f32}});
  }
}

TEST_CASE("CUDA's kernels give each tensor of a list what it gets alone", "[lists]") {
  if (!has_device(Backend::cuda)) return;
  check_all(Backend::cuda, {{DType::f32, DType::f32},
                            {DType::f32, DType::bf16},
                            {DType::f32, DType::f16},
                            {DType::bf16, DType::bf16},
                            {DType::f16, DType::f16}});
}

}  // namespace
}  // namespace ctrain::testing
