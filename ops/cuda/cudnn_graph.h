// Graphs of cuDNN operations (its backend API): tensors and the operations between them are told, then a plan is made
// for a device, which runs the whole as one or a few fused kernels. Intermediate tensors never reach memory, unless the
// plan's workspace holds them.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace ctrain::cuda {

struct DestroyCudnnDescriptor {
  void operator()(void* descriptor) const { cudnnBackendDestroyDescriptor(descriptor); }
};
using CudnnDescriptor = std::unique_ptr<void, DestroyCudnnDescriptor>;

// What plans are made for: the device that is current.
[[nodiscard]] CudnnDescriptor current_cudnn_device();

class CudnnPlan {
 public:
  CudnnPlan(CudnnDescriptor plan, std::vector<std::int64_t> tensors, std::int64_t workspace)
      : plan_(std::move(plan)), tensors_(std::move(tensors)), workspace_(workspace) {}

  // A pointer for each operand and scalar, in the order of their telling.
  void run(cudaStream_t stream, std::span<void* const> pointers, void* workspace) const;
  [[nodiscard]] std::int64_t workspace() const { return workspace_; }  // bytes

 private:
  CudnnDescriptor plan_;
  std::vector<std::int64_t> tensors_;
  std::int64_t workspace_;
};

class CudnnGraph {
 public:
  using Tensor = std::int64_t;  // its number, in the order of telling
  using Extents = std::vector<std::int64_t>;

  // In memory that is given when the plan runs, aligned to 16 bytes (fp32: to its own 4).
  Tensor operand(const Extents& extents, const Extents& strides, cudnnDataType_t type);
  // One number of fp32 for each of `dimensions` ones, in the host's memory when the plan runs.
  Tensor scalar(std::size_t dimensions);
  Tensor intermediate(const Extents& extents, const Extents& strides, cudnnDataType_t type);

  // Arithmetic is in fp32, or of the output's type where that is a truth or an index.
  void matmul(Tensor a, Tensor b, Tensor c);
  void reduce(cudnnReduceTensorOp_t operation, Tensor x, Tensor y);
  void reshape(Tensor x, Tensor y);
  void pointwise(cudnnPointwiseMode_t mode, Tensor x, Tensor y);
  void pointwise(cudnnPointwiseMode_t mode, Tensor x, Tensor b, Tensor y);
  void select(Tensor truth, Tensor x, Tensor otherwise, Tensor y);
  void index(std::int64_t axis, Tensor like, Tensor y);  // y = each element's place along the axis

  // The library's first choice that gives the same bits in every run and needs no more workspace than this; nothing
  // where it has none for the device.
  [[nodiscard]] std::optional<CudnnPlan> plan(const CudnnDescriptor& device, std::int64_t most_workspace) const;

 private:
  Tensor add_tensor(const Extents& extents, const Extents& strides, cudnnDataType_t type,
                    std::optional<cudnnBackendAttributeName_t> kind);
  CudnnDescriptor pointwise_descriptor(cudnnPointwiseMode_t mode, Tensor y, std::optional<std::int64_t> axis) const;
  void add_operation(cudnnBackendDescriptorType_t type,
                     const std::vector<std::pair<cudnnBackendAttributeName_t, void*>>& parts);
  [[nodiscard]] void* at(Tensor tensor) const { return tensors_[static_cast<std::size_t>(tensor)].get(); }

  std::vector<CudnnDescriptor> tensors_, operations_;
  std::vector<cudnnDataType_t> types_;  // of the tensors
  std::vector<std::int64_t> given_;     // operands and scalars
};

}  // namespace ctrain::cuda
