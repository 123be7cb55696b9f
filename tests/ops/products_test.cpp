// Products of two operands on every backend that has a device here: GEMMs with every operand transposed or not, batches
// that stand first or between, what is no GEMM at all, outputs that are added to or are wider than the operands.
#include <catch2/catch.hpp>

#include "ops/gemm_groups.h"
#include "ops/philox.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

struct Product {
  const char *a, *b, *c;
  bool is_gemm;
};

const std::vector<Product> products{
    {"bsh", "hf", "bsf", true},    // x w
    {"bsh", "fh", "bsf", true},    // x wᵀ
    {"hb", "hf", "bf", true},      // xᵀ w
    {"hf", "bsh", "bsf", true},    // w first
    {"bsf", "bsh", "hf", true},    // a weight's gradient
    {"nbd", "nfd", "nbf", true},   // a batch first
    {"bnd", "fnd", "nbf", true},   // a batch between rows and columns
    {"bnd", "fnd", "bnf", true},   // ... of the output too
    {"bsnd", "ndh", "bsh", true},  // two names contracted as one
    {"s", "s", "", false},        {"bn", "bn", "n", true},
    {"bh", "b", "h", true},       {"bsh", "hf", "bfs", false},  // columns between rows
    {"bhs", "shf", "bf", false},                                // contracted names in another order
    {"nbd", "dnb", "dn", false},
};

LocalNode node_of(const Product& product, DType real, DType result) {
  LocalNode node;
  node.op = node.name = "matmul";
  node.extents = {{{'b'}, 5}, {{'s'}, 7}, {{'h'}, 35}, {{'f'}, 34}, {{'n'}, 3}, {{'d'}, 18}};
  for (const auto& [name, extent] : node.extents) node.segments[name] = whole(extent);
  for (const Names dims : {Names(product.a), Names(product.b)})
    node.inputs.push_back({dims, real, local_shape(dims, node.extents, {})});
  node.outputs.push_back({product.c, result, local_shape(product.c, node.extents, {})});
  return node;
}

Tensor draw(const Operand& operand, const std::string& name, DType dtype) {
  Tensor tensor;
  for (std::int64_t i = 0; i < operand.elements(); ++i)
    tensor.push_back(2 * random_uniform(random_key(4, name), static_cast<std::uint64_t>(i)) - 1);
  return rounded(tensor, dtype);
}

struct Tested {
  Backend backend;
  DType real, result;
  double tolerance;
};

TEST_CASE("products agree with the fp64 reference") {
  for (const Tested& tested : {Tested{Backend::reference, DType::f32, DType::f32, 1e-5},
                               {Backend::cpu, DType::f32, DType::f32, 1e-5},
                               {Backend::cuda, DType::f32, DType::f32, 1e-5},
                               {Backend::cuda, DType::bf16, DType::bf16, 1e-2},
                               {Backend::cuda, DType::bf16, DType::f32, 1e-5},
                               {Backend::cuda, DType::f16, DType::f16, 1e-2},
                               {Backend::cuda, DType::f16, DType::f32, 1e-5}}) {
    if (!has_device(tested.backend)) continue;
    for (const Product& product : products)
      for (const bool accumulate : {false, true}) {
        INFO(product.a << " " << product.b << " -> " << product.c << (accumulate ? ", added" : "") << ", "
                       << name_of(tested.real) << " on backend " << static_cast<int>(tested.backend));
        LocalNode node = node_of(product, tested.real, tested.result);
        LocalNode exact = node_of(product, DType::f64, DType::f64);
        node.accumulate = exact.accumulate = accumulate;
        const std::vector<Tensor> inputs{draw(node.inputs[0], "a", tested.real),
                                         draw(node.inputs[1], "b", tested.real)};
        const Tensor before = draw(node.outputs[0], "c", tested.result);
        NodeRunner expected(exact, {}, {}), actual(node, {}, {.backend = tested.backend, .real = tested.real});
        if (accumulate) {
          expected.set_output(0, before);
          actual.set_output(0, before);
        }
        CHECK(relative_error(actual.run(inputs)[0], expected.run(inputs)[0]) < tested.tolerance);
      }
  }
}

TEST_CASE("which products are GEMMs") {
  for (const Product& product : products) {
    INFO(product.a << " " << product.b << " -> " << product.c);
    CHECK(gemm_of(node_of(product, DType::f32, DType::f32)).has_value() == product.is_gemm);
  }
}

}  // namespace
}  // namespace ctrain::testing
