#include <cublasLt.h>

#include <cmath>

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

bool has(const cublasLtMatmulDescOpaque_t& product, cublasLtEpilogue_t part) {
  return (product.epilogue & part) == part;
}
bool has_aux(const cublasLtMatmulDescOpaque_t& product) { return (product.epilogue & 128) != 0; }
bool sums_operand(const cublasLtMatmulDescOpaque_t& product) {
  return product.epilogue == CUBLASLT_EPILOGUE_BGRADA || product.epilogue == CUBLASLT_EPILOGUE_BGRADB;
}

// What the library asks of a product: a column's elements are neighbours and columns do not overlap; extents agree; the
// output is of the operands' type or fp32; an epilogue has its vector and its matrix, whose columns lie eight elements
// apart.
bool is_valid(const cublasLtMatmulDescOpaque_t& product, const cublasLtMatrixLayoutOpaque_t& a,
              const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c) {
  for (const auto* matrix : {&a, &b, &c})
    if (matrix->rows < 1 || matrix->columns < 1 || matrix->leading < matrix->rows || matrix->batch != c.batch)
      return false;
  if ((has(product, CUBLASLT_EPILOGUE_BIAS) || sums_operand(product)) && product.bias == nullptr) return false;
  if (has_aux(product) && (product.aux == nullptr || product.aux_leading < c.rows || product.aux_leading % 8 != 0))
    return false;
  const bool across_a = product.operation_a == CUBLAS_OP_T, across_b = product.operation_b == CUBLAS_OP_T;
  return (across_a ? a.columns : a.rows) == c.rows && (across_b ? b.rows : b.columns) == c.columns &&
         (across_a ? a.rows : a.columns) == (across_b ? b.columns : b.rows) && a.type == b.type &&
         (c.type == a.type || c.type == CUDA_R_32F);
}

// Where the library finds no algorithm: with GELU and bias gradients columns and vectors must begin at multiples of 16
// bytes, and what is summed must be as NVIDIA's nvmath-python asks for it, A as it stands or B transposed.
bool is_supported(const cublasLtMatmulDescOpaque_t& product, const cublasLtMatrixLayoutOpaque_t& a,
                  const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c) {
  if (product.epilogue == CUBLASLT_EPILOGUE_DEFAULT || product.epilogue == CUBLASLT_EPILOGUE_BIAS) return true;
  if (product.epilogue == CUBLASLT_EPILOGUE_BGRADA && product.operation_a == CUBLAS_OP_T) return false;
  if (product.epilogue == CUBLASLT_EPILOGUE_BGRADB && product.operation_b == CUBLAS_OP_N) return false;
  for (const auto* matrix : {&a, &b, &c})
    if (matrix->leading * (matrix->type == CUDA_R_32F ? 4 : 2) % 16 != 0) return false;
  for (const void* address : {product.bias, product.aux})
    if (reinterpret_cast<std::uintptr_t>(address) % 16 != 0) return false;
  return c.batch == 1;
}

float logistic(float x) { return 1 / (1 + std::exp(-x)); }
float gelu_argument(float x) { return 1.5957691216F * (x + 0.044715F * x * x * x); }  // 2 sqrt(2/pi) (x + ...)
float gelu(float x) { return x * logistic(gelu_argument(x)); }
float gelu_derivative(float x) {
  const float at = logistic(gelu_argument(x));
  return at + x * at * (1 - at) * 1.5957691216F * (1 + 3 * 0.044715F * x * x);
}

// Matrix op(A)[row, k] or op(B)[k, column] of one batch.
struct Elements {
  float operator()(std::int64_t row, std::int64_t column) const {
    return read(data, layout->type, first + (across ? column + row * layout->leading : row + column * layout->leading));
  }
  const void* data;
  const cublasLtMatrixLayoutOpaque_t* layout;
  bool across;
  std::int64_t first;
};

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
  *product = {CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr, nullptr, 0};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDescOpaque_t* product, cublasLtMatmulDescAttributes_t what,
                                              const void* value, std::size_t bytes) {
  if (what == CUBLASLT_MATMUL_DESC_TRANSA) return take(product->operation_a, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_TRANSB) return take(product->operation_b, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_EPILOGUE) return take(product->epilogue, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER) return take(product->aux, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD) return take(product->aux_leading, value, bytes);
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
  if (!is_valid(*product, *a, *b, *c)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!is_supported(*product, *a, *b, *c)) return CUBLAS_STATUS_NOT_SUPPORTED;
  *results = {{}, CUBLAS_STATUS_SUCCESS};
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, const cublasLtMatmulDescOpaque_t* product, const void* alpha,
                              const void* a, const cublasLtMatrixLayoutOpaque_t* layout_a, const void* b,
                              const cublasLtMatrixLayoutOpaque_t* layout_b, const void* beta, const void* c,
                              const cublasLtMatrixLayoutOpaque_t* layout_c, void* d,
                              const cublasLtMatrixLayoutOpaque_t*, const cublasLtMatmulAlgo_t*, void* workspace,
                              std::size_t, cudaStream_t) {
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (!is_valid(*product, *layout_a, *layout_b, *layout_c) || !is_supported(*product, *layout_a, *layout_b, *layout_c))
    return CUBLAS_STATUS_INVALID_VALUE;
  const float of_product = *static_cast<const float*>(alpha), of_c = *static_cast<const float*>(beta);
  const bool across_a = product->operation_a == CUBLAS_OP_T, across_b = product->operation_b == CUBLAS_OP_T;
  const std::int64_t depth = across_a ? layout_a->rows : layout_a->columns;
  for (std::int64_t batch = 0; batch < layout_c->batch; ++batch) {
    const Elements in_a{a, layout_a, across_a, batch * layout_a->batch_stride},
        in_b{b, layout_b, across_b, batch * layout_b->batch_stride};
    for (std::int64_t column = 0; column < layout_c->columns; ++column)
      for (std::int64_t row = 0; row < layout_c->rows; ++row) {
        float sum = 0;
        for (std::int64_t k = 0; k < depth; ++k) sum += in_a(row, k) * in_b(k, column);
        const std::int64_t at_c = batch * layout_c->batch_stride + row + column * layout_c->leading;
        const std::int64_t at_aux = row + column * product->aux_leading;
        float result = of_product * sum;
        if (of_c != 0) result += of_c * read(c, layout_c->type, at_c);
        if (has(*product, CUBLASLT_EPILOGUE_BIAS)) result += read(product->bias, layout_c->type, row);
        if (product->epilogue == CUBLASLT_EPILOGUE_DGELU) {
          result *= gelu_derivative(read(product->aux, layout_c->type, at_aux));
        } else if (has(*product, CUBLASLT_EPILOGUE_GELU_BIAS)) {
          if (has_aux(*product)) write(product->aux, layout_c->type, at_aux, result);
          result = gelu(result);
        }
        write(d, layout_c->type, at_c, result);
      }
    if (!sums_operand(*product)) continue;
    const bool of_a = product->epilogue == CUBLASLT_EPILOGUE_BGRADA;
    for (std::int64_t i = 0; i < (of_a ? layout_c->rows : layout_c->columns); ++i) {
      float sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) sum += of_a ? in_a(i, k) : in_b(k, i);
      write(product->bias, layout_c->type, i, sum);
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}
