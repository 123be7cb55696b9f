#include <cublasLt.h>

#include <algorithm>

#include "ops/narrow_floats.h"

namespace {

using ctrain::Bfloat16;
using ctrain::Float16;

float read(const void* from, cudaDataType_t type, std::int64_t i) {
  if (type == CUDA_R_16F) return static_cast<float>(static_cast<const Float16*>(from)[i]);
  if (type == CUDA_R_16BF) return static_cast<float>(static_cast<const Bfloat16*>(from)[i]);
  return static_cast<const float*>(from)[i];
}
void write(void* to, cudaDataType_t type, std::int64_t i, float x) {
  if (type == CUDA_R_16F)
    static_cast<Float16*>(to)[i] = static_cast<Float16>(x);
  else if (type == CUDA_R_16BF)
    static_cast<Bfloat16*>(to)[i] = static_cast<Bfloat16>(x);
  else
    static_cast<float*>(to)[i] = x;
}

// What the library asks of a product: a column's elements are neighbours and columns do not overlap; extents agree; the
// output is of the operands' type or fp32.
bool is_valid(const cublasLtMatmulDescOpaque_t& product, const cublasLtMatrixLayoutOpaque_t& a,
              const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c) {
  for (const auto* matrix : {&a, &b, &c})
    if (matrix->rows < 1 || matrix->columns < 1 || matrix->leading < matrix->rows || matrix->batch != c.batch)
      return false;
  const bool across_a = product.operation_a == CUBLAS_OP_T, across_b = product.operation_b == CUBLAS_OP_T;
  return (across_a ? a.columns : a.rows) == c.rows && (across_b ? b.rows : b.columns) == c.columns &&
         (across_a ? a.rows : a.columns) == (across_b ? b.columns : b.rows) && a.type == b.type &&
         (c.type == a.type || c.type == CUDA_R_32F);
}

cublasStatus_t valid_if(bool condition) { return condition ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE; }

template <typename T>
cublasStatus_t take(T& to, const void* value, std::size_t bytes) {
  if (bytes == sizeof(T)) to = *static_cast<const T*>(value);
  return valid_if(bytes == sizeof(T));
}

}  // namespace

const char* cublasLtGetStatusString(cublasStatus_t) { return "what the library would refuse"; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  static char context = 0;
  *handle = reinterpret_cast<cublasLtHandle_t>(&context);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDescOpaque_t* product, cublasComputeType_t, cudaDataType_t) {
  *product = {CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDescOpaque_t* product, cublasLtMatmulDescAttributes_t what,
                                              const void* value, std::size_t bytes) {
  if (what == CUBLASLT_MATMUL_DESC_TRANSA) return take(product->operation_a, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_TRANSB) return take(product->operation_b, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_EPILOGUE) return take(product->epilogue, value, bytes);
  return take(product->bias, value, bytes);
}

cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayoutOpaque_t* matrix, cudaDataType_t type, std::uint64_t rows,
                                        std::uint64_t columns, std::int64_t leading) {
  *matrix = {type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), leading, 1, 0};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayoutOpaque_t* matrix,
                                                cublasLtMatrixLayoutAttribute_t what, const void* value,
                                                std::size_t bytes) {
  if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return take(matrix->batch, value, bytes);
  return take(matrix->batch_stride, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceInit(cublasLtMatmulPreferenceOpaque_t*) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreferenceOpaque_t*,
                                                    cublasLtMatmulPreferenceAttributes_t what, const void*,
                                                    std::size_t bytes) {
  return valid_if(bytes == (what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8U : 4U));
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, const cublasLtMatmulDescOpaque_t* product, const cublasLtMatrixLayoutOpaque_t* a,
    const cublasLtMatrixLayoutOpaque_t* b, const cublasLtMatrixLayoutOpaque_t* c, const cublasLtMatrixLayoutOpaque_t*,
    const cublasLtMatmulPreferenceOpaque_t*, int, cublasLtMatmulHeuristicResult_t* results, int* found) {
  *results = {{}, CUBLAS_STATUS_SUCCESS};
  *found = 1;
  return valid_if(is_valid(*product, *a, *b, *c));
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, const cublasLtMatmulDescOpaque_t* product, const void* alpha,
                              const void* a, const cublasLtMatrixLayoutOpaque_t* layout_a, const void* b,
                              const cublasLtMatrixLayoutOpaque_t* layout_b, const void* beta, const void*,
                              const cublasLtMatrixLayoutOpaque_t* layout_c, void* d,
                              const cublasLtMatrixLayoutOpaque_t*, const cublasLtMatmulAlgo_t*, void* workspace,
                              std::size_t, cudaStream_t) {
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  const float of_product = *static_cast<const float*>(alpha), of_c = *static_cast<const float*>(beta);
  const bool across_a = product->operation_a == CUBLAS_OP_T, across_b = product->operation_b == CUBLAS_OP_T;
  const std::int64_t depth = across_a ? layout_a->rows : layout_a->columns;
  for (std::int64_t batch = 0; batch < layout_c->batch; ++batch)
    for (std::int64_t column = 0; column < layout_c->columns; ++column)
      for (std::int64_t row = 0; row < layout_c->rows; ++row) {
        float sum = 0;
        for (std::int64_t k = 0; k < depth; ++k) {
          const std::int64_t at_a = across_a ? k + row * layout_a->leading : row + k * layout_a->leading;
          const std::int64_t at_b = across_b ? column + k * layout_b->leading : k + column * layout_b->leading;
          sum += read(a, layout_a->type, batch * layout_a->batch_stride + at_a) *
                 read(b, layout_b->type, batch * layout_b->batch_stride + at_b);
        }
        const std::int64_t at_c = batch * layout_c->batch_stride + row + column * layout_c->leading;
        float result = of_product * sum;
        if (of_c != 0) result += of_c * read(d, layout_c->type, at_c);
        if (product->epilogue == CUBLASLT_EPILOGUE_BIAS) result += read(product->bias, layout_c->type, row);
        write(d, layout_c->type, at_c, result);
      }
  return CUBLAS_STATUS_SUCCESS;
}
