// A device holds memory and runs work in streams; events order streams among each other. On the CPU a stream is the
// calling thread: work is done when the call returns, and events are always complete.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace ctrain {

class Event {
 public:
  virtual ~Event() = default;
  virtual void synchronize() = 0;  // blocks the host until everything recorded before it is done
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual void synchronize() = 0;
  virtual void record(Event& event) = 0;  // the event completes when what was enqueued so far has
  virtual void wait(Event& event) = 0;    // later work of this stream starts after the event
};

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual void* allocate(
      std::size_t bytes) = 0;  // 64-byte aligned, zero; throws an Error that says how much
  virtual void release(void* pointer, std::size_t bytes) noexcept = 0;
  virtual std::unique_ptr<Stream> make_stream() = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  virtual void upload(void* to, const void* from, std::size_t bytes, Stream& stream) = 0;    // host to device
  virtual void download(void* to, const void* from, std::size_t bytes, Stream& stream) = 0;  // device to host
};

std::unique_ptr<Device> make_cpu_device();

// Device memory with an owner.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device& device, std::size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ctrain
