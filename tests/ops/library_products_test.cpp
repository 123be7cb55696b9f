// Which fused products the GPU's library takes as one, at the shapes of a transformer's layers: a line each on standard
// output. What it does not take is composed of its parts. Skipped where there is no GPU.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "ops/cuda/library_query.h"
#include "tests/ops/cases.h"

namespace ctrain::testing {
namespace {

std::string line(const FusedCase& fused, DType real, const cuda::LibraryQuery& takes) {
  const LocalNode node = fused.node(real);
  std::string operands;
  for (const Names& dims : fused.inputs) operands += dims.text() + " ";
  operands += "->";
  for (const Names& dims : fused.outputs) operands += " " + dims.text();
  return fmt::format("figure: cuBLASLt takes {}, {} ({}): {}\n", fused.op, name_of(real), operands,
                     takes(node) ? "yes" : "no");
}

TEST_CASE("which fused products cuBLASLt takes", "[gpu]") {
  const cuda::LibraryQuery* takes = Registry<cuda::LibraryQuery>::instance().find("cublasLt");
  if (takes == nullptr || !has_device(Backend::cuda)) {
    WARN("skipped: there is no GPU");
    return;
  }
  for (const DType real : {DType::bf16, DType::f16, DType::f32})
    for (const FusedCase& fused : product_cases({{{'b'}, 8}, {{'s'}, 197}, {{'h'}, 768}, {{'f'}, 3072}})) {
      fmt::print("{}", line(fused, real, *takes));
      if (fused.op.starts_with("linear_residual")) CHECK((*takes)(fused.node(real)));
      // By our own choice, not the library's: GELU in fp32 is ours.
      if (fused.op.find("gelu") != std::string::npos && real == DType::f32) CHECK(!(*takes)(fused.node(real)));
    }
}

}  // namespace
}  // namespace ctrain::testing
