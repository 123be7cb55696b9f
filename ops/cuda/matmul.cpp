// matmul and the fused products (ops/fused_products.h) on cuBLASLt: operands of fp32 (true fp32, or TF32 where
// ops/cuda/precision.h allows it), bf16 or fp16; sums in fp32; the output of the operands' type or fp32. What the
// library does not take runs on the plain kernel of ops/cuda/einsum.h, or is composed of its parts.
#include "memory/error.h"
#include "ops/cuda/einsum.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/library_query.h"
#include "ops/fused_products.h"

namespace ctrain::cuda {
namespace {

GemmEpilogue epilogue_of(const LocalNode& node) {
  if (node.op == "linear") return {.kind = Epilogue::bias, .vector = 2};
  if (node.op == "linear_residual") return {.kind = Epilogue::bias, .vector = 2, .addend = 3};
  if (node.op == "linear_gelu")
    return {.kind = Epilogue::gelu, .vector = 2, .matrix = node.outputs.size() == 2 ? 4 : -1};
  if (node.op == "matmul_gelu_grad") return {.kind = Epilogue::gelu_grad, .matrix = 2};
  if (node.op == "linear_grad_weight") return {.kind = Epilogue::bias_gradient, .vector = 3};
  return {};
}

Kernel product(const LocalNode& node) {
  require(node.op == "matmul" || !node.accumulate, "{}: {} cannot accumulate", node.name, node.op);
  const bool is_plain = node.op == "matmul" || node.op == "linear";
  return gemm(node, epilogue_of(node), is_plain ? einsum(node) : fused_product(node, Backend::cuda));
}

bool is_taken_by_cublas(const LocalNode& node) { return is_taken(node, epilogue_of(node)); }

struct Products {
  Products() {
    for (const char* op :
         {"matmul", "linear", "linear_residual", "linear_gelu", "matmul_gelu_grad", "linear_grad_weight"})
      for (const DType real : {DType::f32, DType::bf16, DType::f16})
        KernelTable::instance().add(Backend::cuda, op, real, product);
  }
};
const Products products;
const Registration<LibraryQuery> query("cublasLt", is_taken_by_cublas);

}  // namespace
}  // namespace ctrain::cuda
