// A device holds memory and runs work in streams; events order streams among each other. On the CPU a stream is the
// calling thread: work is done when the call returns, and events are always complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "memory/registry.h"

namespace ctrain {

class Event {
 public:
  virtual ~Event() = default;
  virtual void synchronize() = 0;  // blocks the host until everything recorded before it is done
  [[nodiscard]] virtual bool is_complete() = 0;
  // Between the completions of two timed events.
  [[nodiscard]] virtual double seconds_since(Event& earlier) = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual void synchronize() = 0;
  virtual void record(Event& event) = 0;  // the event completes when what was enqueued so far has
  virtual void wait(Event& event) = 0;    // later work of this stream starts after the event
  [[nodiscard]] virtual void* native() const {
    return nullptr;
  }  // the vendor's handle, for kernels; nullptr on the CPU
};

// Work that was recorded once and is enqueued as a whole.
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  virtual void enqueue(Stream& stream) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::string name() const = 0;  // "cpu", "NVIDIA H100 80GB HBM3"
  // Does work go on while the host does something else? Then several streams are worth their events.
  [[nodiscard]] virtual bool is_asynchronous() const { return false; }
  virtual void make_current() {}  // of the calling thread

  [[nodiscard]] virtual void* allocate(
      std::size_t bytes) = 0;  // 256-byte aligned, zero; throws an Error that says how much
  virtual void release(void* pointer, std::size_t bytes) noexcept = 0;
  // Memory of the host that the device copies from and to without a stop; zero.
  [[nodiscard]] virtual void* allocate_host(std::size_t bytes) { return allocate(bytes); }
  virtual void release_host(void* pointer, std::size_t bytes) noexcept { release(pointer, bytes); }
  // Makes memory of somebody else's such memory, and gives it back.
  virtual void pin(void*, std::size_t) {}
  virtual void unpin(void*) noexcept {}
  // Bytes of the device that are taken, by whomever, as its driver tells; 0 where nobody does.
  [[nodiscard]] virtual std::int64_t used_bytes() const { return 0; }
  // Allocations so far, of the device and of pinned host memory.
  [[nodiscard]] std::int64_t allocations() const { return allocations_; }

  virtual std::unique_ptr<Stream> make_stream() = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  virtual std::unique_ptr<Event> make_timed_event() { return make_event(); }
  virtual void upload(void* to, const void* from, std::size_t bytes, Stream& stream) = 0;    // host to device
  virtual void download(void* to, const void* from, std::size_t bytes, Stream& stream) = 0;  // device to host
  virtual void copy(void* to, const void* from, std::size_t bytes, Stream& stream) = 0;      // within the device

  // A named range of what the calling thread does, for the vendor's profiler; ranges nest.
  virtual void open_range(const char*) {}
  virtual void close_range() {}

  // Records what `work` enqueues on `stream`, and on streams that wait for it and are waited for again, instead of
  // doing it. Throws a running Error that says what cannot be recorded; nullptr where the device records nothing.
  virtual std::unique_ptr<RecordedWork> record(Stream& stream, const std::function<void()>& work);

 protected:
  std::int64_t allocations_ = 0;
};

std::unique_ptr<Device> make_cpu_device();

// What is known of an accelerator before it is used.
struct DeviceDescription {
  std::string name;       // "NVIDIA H100 80GB HBM3"
  std::string text;       // its generation and memory, for people
  std::string note;       // what this build does otherwise there, or cannot; "" where there is nothing to say
  bool is_usable = true;  // does this build have kernels for it?
};

// Kinds of accelerators that this build knows, by the name that --device takes: "cuda".
struct DeviceKind {
  std::function<int()> count;  // of this machine; 0 without a driver
  std::function<std::unique_ptr<Device>(int index)> make;
  std::function<DeviceDescription(int index)> describe;
  std::function<std::string()> driver;  // what it can run: "CUDA 13.0"; "" where there is none
};
using DeviceKinds = Registry<DeviceKind>;

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

// The host's side of transfers, with an owner.
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(Device& device, std::size_t bytes);
  ~HostBuffer();
  HostBuffer(HostBuffer&& other) noexcept;
  HostBuffer& operator=(HostBuffer&& other) noexcept;
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ctrain
