// matmul on cuBLASLt, and linear, a product with a bias over its columns (x, w, b): operands of fp32 (true fp32, or
// TF32 where ops/cuda/precision.h allows it), bf16 or fp16; sums in fp32; the output (and the bias) of the operands'
// type or fp32. What is no GEMM of cuBLASLt's runs on the plain kernel of ops/cuda/einsum.h.
//
// cuBLASLt's matrices are column-major: it is given Cᵀ = Bᵀ Aᵀ, so that its A is our B and a bias goes along its rows.
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>

#include "memory/allocation_counter.h"
#include "ops/cuda/einsum.h"
#include "ops/cuda/precision.h"
#include "ops/cuda/vendor_handles.h"
#include "ops/gemm_groups.h"

namespace ctrain::cuda {
namespace {

constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // what the library's authors advise for Hopper

cudaDataType_t native(DType type) {
  return type == DType::bf16 ? CUDA_R_16BF : type == DType::f16 ? CUDA_R_16F : CUDA_R_32F;
}

// A column-major matrix, as it stands in memory.
struct Layout {
  StridedDimension rows, columns, batch;
  cublasOperation_t operation = CUBLAS_OP_N;
};

// The transpose of one of our matrices; nothing where neither its rows nor its columns are contiguous.
std::optional<Layout> transposed(const StridedMatrix& matrix) {
  if (matrix.columns.stride == 1) return Layout{matrix.columns, matrix.rows, matrix.batch, CUBLAS_OP_N};
  if (matrix.rows.stride == 1 || matrix.rows.extent == 1)
    return Layout{matrix.rows, matrix.columns, matrix.batch, CUBLAS_OP_T};
  return std::nullopt;
}

// One product with all that cuBLASLt wants to know of it; the algorithm is chosen in the first run and kept.
class Matmul {
 public:
  Matmul(const LocalNode& node, const Gemm& gemm, Kernel otherwise)
      : a_(*transposed(gemm.a)),
        b_(*transposed(gemm.b)),
        c_(*transposed(gemm.c)),
        type_(native(node.inputs[0].dtype)),
        output_type_(native(node.outputs[0].dtype)),
        compute_(type_ == CUDA_R_32F && tf32_allowed() ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F),
        swapped_(gemm.swapped),
        bias_(node.inputs.size() == 3),
        beta_(node.accumulate ? 1.0F : 0.0F),
        otherwise_(std::move(otherwise)) {}

  void run(const Invocation& call) {
    const void *a = call.inputs[swapped_ ? 1 : 0], *b = call.inputs[swapped_ ? 0 : 1];
    auto addresses = reinterpret_cast<std::uintptr_t>(a) | reinterpret_cast<std::uintptr_t>(b) |
                     reinterpret_cast<std::uintptr_t>(call.outputs[0]);
    if (bias_) addresses |= reinterpret_cast<std::uintptr_t>(call.inputs[2]);
    const VendorCall vendor;
    if (!described_) describe();
    if (bias_) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.inputs[2]);
    const auto alignment = static_cast<std::uint32_t>(std::uintptr_t{1} << std::countr_zero(addresses | most_aligned));
    if (alignment < alignment_) choose(alignment);
    if (!algorithm_) return otherwise_.run(call);
    const float alpha = 1;
    check(cublasLtMatmul(cublas_lt_handle(), &product_, &alpha, b, &native_b_, a, &native_a_, &beta_, call.outputs[0],
                         &native_c_, call.outputs[0], &native_c_, &*algorithm_, call.workspace, workspace_bytes,
                         static_cast<cudaStream_t>(call.stream)),
          "cublasLtMatmul");
  }

 private:
  static constexpr std::uintptr_t most_aligned = 256;  // bytes; more is of no use to any algorithm

  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(&product_, attribute, &value, sizeof(value)), "a product's attribute");
  }

  static void describe(cublasLtMatrixLayoutOpaque_t& result, const Layout& layout, cudaDataType_t type) {
    check(cublasLtMatrixLayoutInit(&result, type, static_cast<std::uint64_t>(layout.rows.extent),
                                   static_cast<std::uint64_t>(layout.columns.extent), layout.columns.stride),
          "cublasLtMatrixLayoutInit");
    const auto set_batch = [&](cublasLtMatrixLayoutAttribute_t attribute, auto value) {
      check(cublasLtMatrixLayoutSetAttribute(&result, attribute, &value, sizeof(value)), "a matrix's batch");
    };
    set_batch(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(layout.batch.extent));
    set_batch(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, layout.batch.stride);
  }

  void describe() {
    check(cublasLtMatmulDescInit(&product_, compute_, CUDA_R_32F), "cublasLtMatmulDescInit");
    set(CUBLASLT_MATMUL_DESC_TRANSA, b_.operation);
    set(CUBLASLT_MATMUL_DESC_TRANSB, a_.operation);
    if (bias_) set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    describe(native_a_, a_, type_);
    describe(native_b_, b_, type_);
    describe(native_c_, c_, output_type_);
    described_ = true;
  }

  // The library's first choice for operands that are aligned to so many bytes. Partial sums of a split contraction
  // stay in fp32.
  void choose(std::uint32_t alignment) {
    cublasLtMatmulPreferenceOpaque_t preference;
    check(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)), "a preference");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        cublas_lt_handle(), &product_, &native_b_, &native_a_, &native_c_, &native_c_, &preference, 1, &result, &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
    algorithm_.reset();
    if (found > 0 && result.state == CUBLAS_STATUS_SUCCESS) algorithm_ = result.algo;
    alignment_ = alignment;
  }

  Layout a_, b_, c_;
  cudaDataType_t type_, output_type_;
  cublasComputeType_t compute_;
  bool swapped_, bias_;
  float beta_;
  Kernel otherwise_;  // where the library has no algorithm
  bool described_ = false;
  cublasLtMatmulDescOpaque_t product_{};
  cublasLtMatrixLayoutOpaque_t native_a_{}, native_b_{}, native_c_{};
  std::optional<cublasLtMatmulAlgo_t> algorithm_;
  std::uint32_t alignment_ = ~std::uint32_t{0};  // bytes that the choice of algorithm relies on
};

Kernel matmul(const LocalNode& node) {
  require(node.inputs.size() == 2 || !node.accumulate, "{}: a bias is added once: linear cannot accumulate", node.name);
  const Kernel plain = einsum(node);
  const std::optional<Gemm> gemm = gemm_of(node);
  if (!gemm || gemm->c.columns.stride != 1 || !transposed(gemm->a) || !transposed(gemm->b)) return plain;
  const auto shared = std::make_shared<Matmul>(node, *gemm, plain);
  return {[shared](const Invocation& call) { shared->run(call); }, workspace_bytes};
}

const KernelRegistration matmul_f32(Backend::cuda, "matmul", DType::f32, matmul);
const KernelRegistration matmul_bf16(Backend::cuda, "matmul", DType::bf16, matmul);
const KernelRegistration matmul_f16(Backend::cuda, "matmul", DType::f16, matmul);
const KernelRegistration linear_f32(Backend::cuda, "linear", DType::f32, matmul);
const KernelRegistration linear_bf16(Backend::cuda, "linear", DType::bf16, matmul);
const KernelRegistration linear_f16(Backend::cuda, "linear", DType::f16, matmul);

}  // namespace
}  // namespace ctrain::cuda
