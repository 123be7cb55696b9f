// What the GPU's libraries take as one, at the shapes of a transformer's layers: a line for each type on standard
// output. Fused products that cuBLASLt does not take are composed of their parts; attention that cuDNN does not take
// runs in a kernel of our own. Skipped where there is no GPU.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "memory/device.h"
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

// Of 8 images or texts of 197 tokens, 12 heads of 64.
LocalNode attention_node(DType real, bool causal, bool gradient) {
  const Extents extents{{{'b'}, 8}, {{'s'}, 197}, {{'t'}, 3}, {{'n'}, 12}, {{'d'}, 64}};
  const auto operand = [&](const Names& dims, DType type) {
    return Operand{dims, type, local_shape(dims, extents, {})};
  };
  LocalNode node;
  node.op = node.name = gradient ? "attention_grad" : "attention";
  node.attributes = {{"causal", std::int64_t{causal}}, {"rate", 0.0}};
  node.extents = extents;
  for (const auto& [name, extent] : extents) node.segments[name] = whole(extent);
  const Operand qkv = operand("bstnd", real), output = operand("bsnd", real), statistics = operand("bns", DType::f32);
  if (gradient) {
    node.inputs = {qkv, output, statistics, output};
    node.outputs = {qkv};
  } else {
    node.inputs = {qkv};
    node.outputs = {output, statistics};
  }
  return node;
}

TEST_CASE("which attention cuDNN takes", "[gpu]") {
  const cuda::LibraryQuery* takes = Registry<cuda::LibraryQuery>::instance().find("cudnn");
  if (takes == nullptr || !has_device(Backend::cuda)) {
    WARN("skipped: there is no GPU");
    return;
  }
  const bool is_able =
      DeviceKinds::instance().get("cuda").describe(0).note.empty();  // or too old for cuDNN's attention
  for (const DType real : {DType::bf16, DType::f16}) {
    std::vector<std::string> answers;
    for (const bool causal : {false, true})
      for (const bool gradient : {false, true}) {
        const bool taken = (*takes)(attention_node(real, causal, gradient));
        if (!gradient) CHECK(taken == is_able);
        answers.push_back(
            fmt::format("{}{} {}", causal ? "causal " : "", gradient ? "backward" : "forward", taken ? "yes" : "no"));
      }
    fmt::print("figure: cuDNN takes attention in {}: {}\n", name_of(real), fmt::join(answers, ", "));
  }
}

}  // namespace
}  // namespace ctrain::testing
