#include "ops/cuda/cudnn_graph.h"

#include <algorithm>
#include <array>

#include "memory/cuda/check.h"
#include "ops/cuda/vendor_handles.h"

namespace ctrain::cuda {
namespace {

CudnnDescriptor make(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t descriptor = nullptr;
  check(cudnnBackendCreateDescriptor(type, &descriptor), "cudnnBackendCreateDescriptor");
  return CudnnDescriptor(descriptor);
}

template <typename T>
void set(const CudnnDescriptor& descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
         std::span<const T> values) {
  check(cudnnBackendSetAttribute(descriptor.get(), name, type, static_cast<std::int64_t>(values.size()), values.data()),
        "cudnnBackendSetAttribute");
}
template <typename T>
void set(const CudnnDescriptor& descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
         const T& value) {
  set(descriptor, name, type, std::span<const T>(&value, 1));
}
void set(const CudnnDescriptor& descriptor, cudnnBackendAttributeName_t name, void* part) {
  set(descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, part);
}

CudnnDescriptor finished(CudnnDescriptor descriptor, const char* what) {
  check(cudnnBackendFinalize(descriptor.get()), what);
  return descriptor;
}

template <typename T>
T get(const CudnnDescriptor& descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) {
  T value{};
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(descriptor.get(), name, type, 1, &count, &value), "cudnnBackendGetAttribute");
  return value;
}

// What the heuristic proposes for the graph on the device, best first.
std::vector<CudnnDescriptor> configurations(const CudnnDescriptor& graph, const CudnnDescriptor& device,
                                            cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristic = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.get());
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device.get());
  if (cudnnBackendFinalize(heuristic.get()) != CUDNN_STATUS_SUCCESS) return {};
  std::int64_t count = 0;
  if (cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count,
                               nullptr) != CUDNN_STATUS_SUCCESS)
    return {};
  std::vector<CudnnDescriptor> result;
  std::vector<void*> raw;
  for (std::int64_t i = 0; i < count; ++i)
    raw.push_back(result.emplace_back(make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)).get());
  std::int64_t found = 0;
  if (cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                               &found, raw.data()) != CUDNN_STATUS_SUCCESS)
    return {};
  result.resize(static_cast<std::size_t>(found));
  return result;
}

bool is_deterministic(const CudnnDescriptor& configuration) {
  const CudnnDescriptor engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  void* raw = engine.get();
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                 &count, &raw),
        "a configuration's engine");
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  check(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                 notes.size(), &count, notes.data()),
        "an engine's numerical notes");
  return std::find(notes.begin(), notes.begin() + count, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ==
         notes.begin() + count;
}

}  // namespace

CudnnDescriptor current_cudnn_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  CudnnDescriptor result = make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  set(result, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, device);
  return finished(std::move(result), "a device's properties");
}

void CudnnPlan::run(cudaStream_t stream, std::span<void* const> pointers, void* workspace) const {
  CudnnDescriptor pack = make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span(tensors_));
  set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers);
  set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  check(cudnnBackendFinalize(pack.get()), "a plan's operands");
  cudnnHandle_t handle = cudnn_handle();
  check(cudnnSetStream(handle, stream), "cudnnSetStream");
  check(cudnnBackendExecute(handle, plan_.get(), pack.get()), "cudnnBackendExecute");
}

CudnnGraph::Tensor CudnnGraph::add_tensor(const Extents& extents, const Extents& strides, cudnnDataType_t type,
                                          std::optional<cudnnBackendAttributeName_t> kind) {
  const auto number = static_cast<Tensor>(tensors_.size());
  CudnnDescriptor tensor = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, number);
  const std::int64_t alignment = type == CUDNN_DATA_FLOAT ? 4 : 16;
  set(tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  set(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  set(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span(extents));
  set(tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span(strides));
  if (kind) set(tensor, *kind, CUDNN_TYPE_BOOLEAN, true);
  tensors_.push_back(finished(std::move(tensor), "a tensor"));
  types_.push_back(type);
  return number;
}

CudnnGraph::Tensor CudnnGraph::operand(const Extents& extents, const Extents& strides, cudnnDataType_t type) {
  return given_.emplace_back(add_tensor(extents, strides, type, std::nullopt));
}
CudnnGraph::Tensor CudnnGraph::scalar(std::size_t dimensions) {
  const Extents ones(dimensions, 1);
  return given_.emplace_back(add_tensor(ones, ones, CUDNN_DATA_FLOAT, CUDNN_ATTR_TENSOR_IS_BY_VALUE));
}
CudnnGraph::Tensor CudnnGraph::intermediate(const Extents& extents, const Extents& strides, cudnnDataType_t type) {
  return add_tensor(extents, strides, type, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
}

void CudnnGraph::add_operation(cudnnBackendDescriptorType_t type,
                               const std::vector<std::pair<cudnnBackendAttributeName_t, void*>>& parts) {
  CudnnDescriptor operation = make(type);
  for (const auto& [name, part] : parts) set(operation, name, part);
  operations_.push_back(finished(std::move(operation), "an operation"));
}

void CudnnGraph::matmul(Tensor a, Tensor b, Tensor c) {
  CudnnDescriptor product = make(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  set(product, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  product = finished(std::move(product), "a product");
  add_operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, {{CUDNN_ATTR_OPERATION_MATMUL_ADESC, at(a)},
                                                            {CUDNN_ATTR_OPERATION_MATMUL_BDESC, at(b)},
                                                            {CUDNN_ATTR_OPERATION_MATMUL_CDESC, at(c)},
                                                            {CUDNN_ATTR_OPERATION_MATMUL_DESC, product.get()}});
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t operation, Tensor x, Tensor y) {
  CudnnDescriptor reduction = make(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  set(reduction, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, operation);
  set(reduction, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  reduction = finished(std::move(reduction), "a reduction");
  add_operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, {{CUDNN_ATTR_OPERATION_REDUCTION_XDESC, at(x)},
                                                               {CUDNN_ATTR_OPERATION_REDUCTION_YDESC, at(y)},
                                                               {CUDNN_ATTR_OPERATION_REDUCTION_DESC, reduction.get()}});
}

void CudnnGraph::reshape(Tensor x, Tensor y) {
  add_operation(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR,
                {{CUDNN_ATTR_OPERATION_RESHAPE_XDESC, at(x)}, {CUDNN_ATTR_OPERATION_RESHAPE_YDESC, at(y)}});
}

CudnnDescriptor CudnnGraph::pointwise_descriptor(cudnnPointwiseMode_t mode, Tensor y,
                                                 std::optional<std::int64_t> axis) const {
  const cudnnDataType_t type = types_[static_cast<std::size_t>(y)];
  const bool exact = type == CUDNN_DATA_INT32 || type == CUDNN_DATA_BOOLEAN;
  CudnnDescriptor pointwise = make(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  set(pointwise, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  set<cudnnDataType_t>(pointwise, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE,
                       {exact ? type : CUDNN_DATA_FLOAT});
  if (axis) set(pointwise, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, *axis);
  return finished(std::move(pointwise), "a pointwise operation");
}

void CudnnGraph::pointwise(cudnnPointwiseMode_t mode, Tensor x, Tensor y) {
  add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                {{CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise_descriptor(mode, y, std::nullopt).get()},
                 {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, at(x)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(y)}});
}
void CudnnGraph::pointwise(cudnnPointwiseMode_t mode, Tensor x, Tensor b, Tensor y) {
  add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                {{CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise_descriptor(mode, y, std::nullopt).get()},
                 {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, at(x)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, at(b)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(y)}});
}
void CudnnGraph::select(Tensor truth, Tensor x, Tensor otherwise, Tensor y) {
  const CudnnDescriptor mode = pointwise_descriptor(CUDNN_POINTWISE_BINARY_SELECT, y, std::nullopt);
  add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                {{CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode.get()},
                 {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, at(x)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, at(otherwise)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_TDESC, at(truth)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(y)}});
}
void CudnnGraph::index(std::int64_t axis, Tensor like, Tensor y) {
  const CudnnDescriptor mode = pointwise_descriptor(CUDNN_POINTWISE_GEN_INDEX, y, axis);
  add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                {{CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode.get()},
                 {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, at(like)},
                 {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(y)}});
}

std::optional<CudnnPlan> CudnnGraph::plan(const CudnnDescriptor& device, std::int64_t most_workspace) const {
  std::vector<void*> operations;
  for (const CudnnDescriptor& operation : operations_) operations.push_back(operation.get());
  CudnnDescriptor graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span<void* const>(operations));
  graph = finished(std::move(graph), "a graph of operations");
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const CudnnDescriptor& configuration : configurations(graph, device, mode)) {
      if (!is_deterministic(configuration)) continue;
      CudnnDescriptor plan = make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      set(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration.get());
      set(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device.get());
      if (cudnnBackendFinalize(plan.get()) != CUDNN_STATUS_SUCCESS) continue;
      const auto workspace = get<std::int64_t>(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64);
      if (workspace <= most_workspace) return CudnnPlan(std::move(plan), given_, workspace);
    }
  return std::nullopt;
}

}  // namespace ctrain::cuda
