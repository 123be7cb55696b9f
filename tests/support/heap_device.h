// For tests: a device on the host whose memory comes from the heap, one allocation exactly as large as was asked for,
// so that the address sanitizer finds what reads or writes beyond it.
#pragma once

#include <cstring>
#include <new>

#include "memory/device.h"

namespace ctrain::testing {

class HeapDevice final : public Device {
 public:
  [[nodiscard]] std::string name() const override { return "heap"; }
  [[nodiscard]] void* allocate(std::size_t bytes) override {
    ++allocations_;
    return std::memset(::operator new(bytes, alignment), 0, bytes);
  }
  void release(void* pointer, std::size_t) noexcept override { ::operator delete(pointer, alignment); }
  std::unique_ptr<Stream> make_stream() override { return cpu_->make_stream(); }
  std::unique_ptr<Event> make_event() override { return cpu_->make_event(); }
  void upload(void* to, const void* from, std::size_t bytes, Stream&) override { copy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes, Stream&) override { copy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes, Stream&) override { copy(to, from, bytes); }

 private:
  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);  // of no bytes, the pointer may be null
  }

  static constexpr std::align_val_t alignment{256};
  std::unique_ptr<Device> cpu_ = make_cpu_device();
};

}  // namespace ctrain::testing
