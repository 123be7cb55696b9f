// Which fused products the GPU's library takes as one, at the shapes of a transformer's layers, weights and operands in
// either order: a line for each type on standard output. What it does not take is composed of its parts. Skipped where
// there is no GPU.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "ops/cuda/library_query.h"
#include "tests/ops/cases.h"

namespace ctrain::testing {
namespace {

TEST_CASE("which fused products cuBLASLt takes", "[gpu]") {
  const cuda::LibraryQuery* takes = Registry<cuda::LibraryQuery>::instance().find("cublasLt");
  if (takes == nullptr || !has_device(Backend::cuda)) {
    WARN("skipped: there is no GPU");
    return;
  }
  for (const DType real : {DType::bf16, DType::f16, DType::f32}) {
    std::map<std::string, std::pair<int, int>> taken;  // of so many layouts, by op
    for (const FusedCase& fused : product_cases({{{'b'}, 8}, {{'s'}, 197}, {{'h'}, 768}, {{'f'}, 3072}})) {
      const LocalNode node = fused.node(real);
      auto& [some, all] = taken[fused.op];
      some += (*takes)(node) ? 1 : 0;
      ++all;
      // GELU in fp32 is ours by choice: the library does not say how exact its own is.
      if (real == DType::f32 && fused.op.find("gelu") != std::string::npos) CHECK_FALSE((*takes)(node));
      if (fused.op == "linear" || fused.op == "linear_residual") CHECK((*takes)(node));
    }
    std::vector<std::string> parts;
    for (const auto& [op, counts] : taken) parts.push_back(fmt::format("{} {} of {}", op, counts.first, counts.second));
    fmt::print("figure: cuBLASLt takes in {}: {}\n", name_of(real), fmt::join(parts, ", "));
  }
}

}  // namespace
}  // namespace ctrain::testing
