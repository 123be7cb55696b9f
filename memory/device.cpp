#include "memory/device.h"

#include <sys/mman.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "memory/error.h"

namespace ctrain {
namespace {

class CpuEvent final : public Event {
 public:
  using Clock = std::chrono::steady_clock;
  void synchronize() override {}
  [[nodiscard]] bool is_complete() override { return true; }
  [[nodiscard]] double seconds_since(Event& earlier) override {
    return std::chrono::duration<double>(time_ - static_cast<CpuEvent&>(earlier).time_).count();
  }
  void record() { time_ = Clock::now(); }

 private:
  Clock::time_point time_;
};

class CpuStream final : public Stream {
 public:
  void synchronize() override {}
  void record(Event& event) override { static_cast<CpuEvent&>(event).record(); }
  void wait(Event&) override {}
};

class CpuDevice final : public Device {
 public:
  [[nodiscard]] std::string name() const override { return "cpu"; }

  // Fresh pages are zero without being touched: the first step pays for them, not the start.
  [[nodiscard]] void* allocate(std::size_t bytes) override {
    ++allocations_;
    void* pointer = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pointer == MAP_FAILED) throw running_error("out of memory: {} bytes were asked for on the host", bytes);
    madvise(pointer, bytes, MADV_HUGEPAGE);  // fewer page faults; only a wish
    return pointer;
  }
  void release(void* pointer, std::size_t bytes) noexcept override { munmap(pointer, bytes); }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<CpuStream>(); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<CpuEvent>(); }
  void upload(void* to, const void* from, std::size_t bytes, Stream&) override { std::memcpy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes, Stream&) override { std::memcpy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes, Stream&) override { std::memcpy(to, from, bytes); }
};

}  // namespace

std::unique_ptr<RecordedWork> Device::record(Stream&, const std::function<void()>&) { return nullptr; }

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

Buffer::Buffer(Device& device, std::size_t bytes) : device_(&device), size_(bytes) {
  if (bytes > 0) data_ = static_cast<std::byte*>(device.allocate(bytes));
}

Buffer::~Buffer() {
  if (data_ != nullptr) device_->release(data_, size_);
}

Buffer::Buffer(Buffer&& other) noexcept { *this = std::move(other); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

HostBuffer::HostBuffer(Device& device, std::size_t bytes) : device_(&device), size_(bytes) {
  if (bytes > 0) data_ = static_cast<std::byte*>(device.allocate_host(bytes));
}

HostBuffer::~HostBuffer() {
  if (data_ != nullptr) device_->release_host(data_, size_);
}

HostBuffer::HostBuffer(HostBuffer&& other) noexcept { *this = std::move(other); }

HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace ctrain
