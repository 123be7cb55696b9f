// cuBLASLt's matrices are column-major: it is given Cᵀ = Bᵀ Aᵀ, so that its A is our B and a vector goes along its
// rows.
//
// GELU: the library's is the approximation by tanh (PyTorch's approximate="tanh", GPT-2's), never the exact one with
// erf: TransformerEngine and llm.c put its epilogues in the place of just that formula. The library does not say how it
// computes tanh; in fp32, where runs on a CPU and on a GPU are to agree to 1e-5, our own kernel computes it.
#include "ops/cuda/gemm.h"

#include <cublasLt.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "memory/allocation_counter.h"
#include "ops/cuda/library_handle.h"
#include "ops/cuda/precision.h"
#include "ops/gemm_groups.h"

namespace ctrain::cuda {
namespace {

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) throw running_error("cuBLAS: {}: {}", what, cublasLtGetStatusString(status));
}

cublasLtHandle_t handle() {
  return library_handle<cublasLtHandle_t, cublasLtDestroy>([] {
    cublasLtHandle_t made = nullptr;
    check(cublasLtCreate(&made), "cublasLtCreate");
    return made;
  });
}

// Bytes of workspace: partial sums of a contraction that is split 64 ways, and no more than what the library's authors
// advise for Hopper.
std::size_t workspace_of(const Operand& output) {
  constexpr std::size_t most = std::size_t{32} << 20, beside_sums = std::size_t{64} << 10;
  return std::min(most, beside_sums + 64 * sizeof(float) * static_cast<std::size_t>(output.elements()));
}

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

// Operand i of a node: its inputs, then its outputs.
const Operand& operand(const LocalNode& node, int i) {
  const auto at = static_cast<std::size_t>(i), inputs = node.inputs.size();
  return at < inputs ? node.inputs[at] : node.outputs.at(at - inputs);
}
void* operand(const Invocation& call, int i) {
  const auto at = static_cast<std::size_t>(i), inputs = call.inputs.size();
  return at < inputs ? call.inputs[at] : call.outputs[at - inputs];
}

// The library's rules for the operands of an epilogue: a bias and its gradient have the output's type
// (CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE), and so has GELU's matrix, whose leading dimension is a multiple of eight
// (CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD). Bias gradients that fp32 wants next to bf16 come with a weight's, which is
// fp32 too; with GELU's derivative (CUBLASLT_EPILOGUE_DGELU_BGRAD) they would be bf16.
bool fits(const LocalNode& node, const Gemm& gemm, const GemmEpilogue& epilogue) {
  const Operand& output = node.outputs[0];
  const auto like_output = [&](int i) {
    return operand(node, i).dims == output.dims && operand(node, i).dtype == output.dtype;
  };
  if (epilogue.addend >= 0 && !like_output(epilogue.addend)) return false;
  if (epilogue.vector >= 0) {
    const Operand& vector = operand(node, epilogue.vector);
    const bool is_of_rows = epilogue.kind == Epilogue::bias_gradient && vector.dims == gemm.row_names;
    if (vector.dtype != output.dtype || !(is_of_rows || vector.dims == gemm.column_names)) return false;
  }
  if (epilogue.kind == Epilogue::none || epilogue.kind == Epilogue::bias) return true;
  if (gemm.batched) return false;
  if (epilogue.kind == Epilogue::bias_gradient) return true;
  return size_of(output.dtype) == 2 && gemm.c.rows.stride % 8 == 0 &&
         (epilogue.matrix < 0 || like_output(epilogue.matrix));
}

// The node's product where cuBLASLt may take it, with this epilogue.
std::optional<Gemm> product_of(const LocalNode& node, const GemmEpilogue& epilogue) {
  const std::optional<Gemm> gemm = gemm_of(node);
  if (!gemm || gemm->c.columns.stride != 1 || !transposed(gemm->a) || !transposed(gemm->b)) return std::nullopt;
  return fits(node, *gemm, epilogue) ? gemm : std::nullopt;
}

constexpr std::uintptr_t most_aligned = 256;  // bytes; more is of no use to any algorithm

// One product with all that cuBLASLt wants to know of it; the algorithm is chosen in the first run and kept.
class Matmul {
 public:
  Matmul(const LocalNode& node, const Gemm& gemm, const GemmEpilogue& epilogue)
      : a_(*transposed(gemm.a)),
        b_(*transposed(gemm.b)),
        c_(*transposed(gemm.c)),
        type_(native(node.inputs[0].dtype)),
        output_type_(native(node.outputs[0].dtype)),
        compute_(type_ == CUDA_R_32F && tf32_allowed() ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F),
        swapped_(gemm.swapped),
        epilogue_(epilogue),
        native_epilogue_(native_epilogue(node, gemm)),
        beta_(node.accumulate || epilogue.addend >= 0 ? 1.0F : 0.0F),
        workspace_(workspace_of(node.outputs[0])) {}

  [[nodiscard]] std::size_t workspace() const { return workspace_; }  // bytes

  // Chooses the algorithm for operands at these addresses, unless the choice made before suits them; false: there is
  // none.
  bool choose(const Invocation& call) {
    std::uintptr_t addresses = most_aligned;
    for (const auto& operands : {call.inputs, call.outputs})
      for (const void* address : operands) addresses |= reinterpret_cast<std::uintptr_t>(address);
    const VendorCall vendor;
    if (!described_) describe();
    // The library reads the alignment of these two from their addresses.
    if (epilogue_.vector >= 0) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, operand(call, epilogue_.vector));
    if (epilogue_.matrix >= 0) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, operand(call, epilogue_.matrix));
    const auto alignment = static_cast<std::uint32_t>(std::uintptr_t{1} << std::countr_zero(addresses));
    if (alignment < alignment_) ask(alignment);
    return algorithm_.has_value();
  }

  // With the algorithm that is chosen.
  void run(const Invocation& call) {
    const void *a = call.inputs[swapped_ ? 1 : 0], *b = call.inputs[swapped_ ? 0 : 1];
    void* d = call.outputs[0];
    const void* c = epilogue_.addend >= 0 ? operand(call, epilogue_.addend) : d;
    const float alpha = 1;
    const VendorCall vendor;
    check(cublasLtMatmul(handle(), &product_, &alpha, b, &native_b_, a, &native_a_, &beta_, c, &native_c_, d,
                         &native_c_, &*algorithm_, call.workspace, workspace_, static_cast<cudaStream_t>(call.stream)),
          "cublasLtMatmul");
  }

 private:
  cublasLtEpilogue_t native_epilogue(const LocalNode& node, const Gemm& gemm) const {
    if (epilogue_.kind == Epilogue::bias) return CUBLASLT_EPILOGUE_BIAS;
    if (epilogue_.kind == Epilogue::gelu)
      return epilogue_.matrix < 0 ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
    if (epilogue_.kind == Epilogue::gelu_grad) return CUBLASLT_EPILOGUE_DGELU;
    if (epilogue_.kind == Epilogue::none) return CUBLASLT_EPILOGUE_DEFAULT;
    const bool is_of_columns = operand(node, epilogue_.vector).dims == gemm.column_names;
    return is_of_columns ? CUBLASLT_EPILOGUE_BGRADA : CUBLASLT_EPILOGUE_BGRADB;
  }

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
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, native_epilogue_);
    if (epilogue_.matrix >= 0) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, c_.columns.stride);
    describe(native_a_, a_, type_);
    describe(native_b_, b_, type_);
    describe(native_c_, c_, output_type_);
    described_ = true;
  }

  // The library's first choice for operands aligned to so many bytes. Partial sums of a split contraction stay in fp32.
  void ask(std::uint32_t alignment) {
    cublasLtMatmulPreferenceOpaque_t preference;
    check(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)), "a preference");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle(), &product_, &native_b_, &native_a_, &native_c_, &native_c_, &preference, 1, &result, &found);
    // To an epilogue the library may also say that the configuration is impossible.
    const bool is_refused = status == CUBLAS_STATUS_NOT_SUPPORTED ||
                            (status == CUBLAS_STATUS_INVALID_VALUE && epilogue_.kind > Epilogue::bias);
    if (!is_refused) check(status, "cublasLtMatmulAlgoGetHeuristic");
    algorithm_.reset();
    if (found > 0 && result.state == CUBLAS_STATUS_SUCCESS) algorithm_ = result.algo;
    alignment_ = alignment;
  }

  Layout a_, b_, c_;
  cudaDataType_t type_, output_type_;
  cublasComputeType_t compute_;
  bool swapped_;
  GemmEpilogue epilogue_;
  cublasLtEpilogue_t native_epilogue_;
  float beta_;
  std::size_t workspace_;
  bool described_ = false;
  cublasLtMatmulDescOpaque_t product_{};
  cublasLtMatrixLayoutOpaque_t native_a_{}, native_b_{}, native_c_{};
  std::optional<cublasLtMatmulAlgo_t> algorithm_;
  std::uint32_t alignment_ = ~std::uint32_t{0};  // bytes that the choice of algorithm relies on
};

}  // namespace

Kernel gemm(const LocalNode& node, const GemmEpilogue& epilogue, const Kernel& otherwise) {
  const std::optional<Gemm> product = product_of(node, epilogue);
  if (!product) return otherwise;
  const auto shared = std::make_shared<Matmul>(node, *product, epilogue);
  const auto run = [shared, otherwise = otherwise.run](const Invocation& call) {
    if (shared->choose(call))
      shared->run(call);
    else
      otherwise(call);
  };
  return {run, std::max(shared->workspace(), otherwise.workspace)};
}

bool is_taken(const LocalNode& node, const GemmEpilogue& epilogue) {
  const std::optional<Gemm> product = product_of(node, epilogue);
  if (!product) return false;
  alignas(most_aligned) std::byte somewhere{};  // the library looks at addresses alone
  const std::vector<void*> inputs(node.inputs.size(), &somewhere), outputs(node.outputs.size(), &somewhere);
  return Matmul(node, *product, epilogue).choose({inputs, outputs});
}

}  // namespace ctrain::cuda
