// For tests: where the operands of a kernel lie. Numbers go in and come out in double; on the device they are of the
// operand's element type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "memory/device.h"
#include "memory/error.h"
#include "ops/kernel.h"
#include "ops/narrow_floats.h"
#include "tests/support/blocks.h"
#include "tests/support/heap_device.h"

namespace ctrain::testing {

// Is there a device for the kernels of this backend? For CUDA's the first GPU, or what a test program declares to be
// one.
inline bool has_device(Backend backend) {
  const DeviceKind* kind = DeviceKinds::instance().find("cuda");
  return backend != Backend::cuda || (kind != nullptr && kind->count() > 0);
}

inline Device& device_of(Backend backend) {
  static HeapDevice host;
  if (backend != Backend::cuda) return host;
  static const std::unique_ptr<Device> gpu = DeviceKinds::instance().get("cuda").make(0);
  return *gpu;
}

// As the numbers are once they are of the element type.
inline Tensor rounded(const Tensor& tensor, DType dtype) {
  return with_type(dtype, [&]<typename T>(T) {
    Tensor result;
    for (const double entry : tensor) result.push_back(static_cast<double>(static_cast<T>(entry)));
    return result;
  });
}

// Memory of one operand, filled with a pattern that makes an unwritten number stand out (NaN).
class OperandMemory {
 public:
  OperandMemory(const Operand& operand, Device& device, Stream& stream)
      : operand_(operand),
        device_(device),
        stream_(stream),
        host_(static_cast<std::size_t>(operand.elements()) * size_of(operand.dtype), std::byte{0xff}),
        memory_(device, host_.size()) {
    upload();
  }
  [[nodiscard]] void* data() const { return memory_.data(); }

  void write(const Tensor& tensor) {
    require(static_cast<std::int64_t>(tensor.size()) == operand_.elements(), "{} numbers for {} elements {}",
            tensor.size(), operand_.elements(), operand_.dims.text());
    with_type(operand_.dtype, [&]<typename T>(T) {
      for (std::size_t i = 0; i < tensor.size(); ++i) reinterpret_cast<T*>(host_.data())[i] = static_cast<T>(tensor[i]);
    });
    upload();
  }

  Tensor read() {
    device_.download(host_.data(), memory_.data(), host_.size(), stream_);
    stream_.synchronize();
    return with_type(operand_.dtype, [&]<typename T>(T) {
      Tensor tensor;
      for (std::int64_t i = 0; i < operand_.elements(); ++i)
        tensor.push_back(static_cast<double>(reinterpret_cast<const T*>(host_.data())[i]));
      return tensor;
    });
  }

 private:
  void upload() {
    device_.upload(memory_.data(), host_.data(), host_.size(), stream_);
    stream_.synchronize();
  }

  Operand operand_;
  Device& device_;
  Stream& stream_;
  std::vector<std::byte> host_;
  Buffer memory_;
};

}  // namespace ctrain::testing
