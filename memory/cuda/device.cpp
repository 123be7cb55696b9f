// One GPU: memory by cudaMalloc, streams that do not wait for the legacy default stream, graphs for recorded work.
#include "memory/device.h"

#include <fmt/format.h>
#include <nvtx3/nvToolsExt.h>

#include <algorithm>

#include "memory/cuda/check.h"

namespace ctrain::cuda {
namespace {

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(unsigned flags) { check(cudaEventCreateWithFlags(&event_, flags), "cudaEventCreate"); }
  ~CudaEvent() override { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  void synchronize() override { check(cudaEventSynchronize(event_), "cudaEventSynchronize"); }
  [[nodiscard]] bool is_complete() override {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      forget_last_error();
      return false;
    }
    check(status, "a step failed");
    return true;
  }
  [[nodiscard]] double seconds_since(Event& earlier) override {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, static_cast<CudaEvent&>(earlier).event_, event_), "cudaEventElapsedTime");
    return milliseconds * 1e-3;
  }
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

cudaEvent_t handle(Event& event) { return static_cast<CudaEvent&>(event).get(); }

class CudaStream final : public Stream {
 public:
  CudaStream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
  ~CudaStream() override { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  void synchronize() override { check(cudaStreamSynchronize(stream_), "a step failed"); }
  void record(Event& event) override { check(cudaEventRecord(handle(event), stream_), "cudaEventRecord"); }
  void wait(Event& event) override { check(cudaStreamWaitEvent(stream_, handle(event), 0), "cudaStreamWaitEvent"); }
  [[nodiscard]] void* native() const override { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

cudaStream_t handle(Stream& stream) { return static_cast<cudaStream_t>(stream.native()); }

class CudaGraph final : public RecordedWork {
 public:
  explicit CudaGraph(cudaGraph_t graph) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
  }
  ~CudaGraph() override { cudaGraphExecDestroy(executable_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  void enqueue(Stream& stream) override { check(cudaGraphLaunch(executable_, handle(stream)), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) : index_(index) {
    make_current();
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    name_ = properties.name;
  }

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] bool is_asynchronous() const override { return true; }
  void make_current() override { check(cudaSetDevice(index_), "cudaSetDevice"); }

  [[nodiscard]] void* allocate(std::size_t bytes) override {
    ++allocations_;
    void* pointer = nullptr;
    if (cudaMalloc(&pointer, bytes) != cudaSuccess) {
      forget_last_error();
      std::size_t free = 0, total = 0;
      check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
      throw running_error("out of memory: {} bytes were asked for on {} (device {}), of which {} of {} are free", bytes,
                          name_, index_, free, total);
    }
    // cudaMemset returns before it is done, and our streams do not wait for the stream that it runs on.
    check(cudaMemset(pointer, 0, bytes), "cudaMemset");
    check(cudaStreamSynchronize(cudaStreamLegacy), "cudaStreamSynchronize");
    return pointer;
  }
  void release(void* pointer, std::size_t) noexcept override { cudaFree(pointer); }

  [[nodiscard]] void* allocate_host(std::size_t bytes) override {
    ++allocations_;
    void* pointer = nullptr;
    if (cudaMallocHost(&pointer, bytes) != cudaSuccess) {
      forget_last_error();
      throw running_error("out of memory: {} bytes were asked for in pinned host memory", bytes);
    }
    std::fill_n(static_cast<std::byte*>(pointer), bytes, std::byte{0});
    return pointer;
  }
  void release_host(void* pointer, std::size_t) noexcept override { cudaFreeHost(pointer); }

  void pin(void* memory, std::size_t bytes) override {
    ++allocations_;
    check(cudaHostRegister(memory, bytes, cudaHostRegisterDefault), "cudaHostRegister");
  }
  void unpin(void* memory) noexcept override { cudaHostUnregister(memory); }

  [[nodiscard]] std::int64_t used_bytes() const override {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return static_cast<std::int64_t>(total - free);
  }

  std::unique_ptr<Stream> make_stream() override { return std::make_unique<CudaStream>(); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<CudaEvent>(cudaEventDisableTiming); }
  std::unique_ptr<Event> make_timed_event() override { return std::make_unique<CudaEvent>(cudaEventDefault); }
  void upload(void* to, const void* from, std::size_t bytes, Stream& stream) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, handle(stream)), "an upload");
  }
  void download(void* to, const void* from, std::size_t bytes, Stream& stream) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, handle(stream)), "a download");
  }
  void copy(void* to, const void* from, std::size_t bytes, Stream& stream) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, handle(stream)), "a copy");
  }

  void open_range(const char* name) override { nvtxRangePushA(name); }
  void close_range() override { nvtxRangePop(); }

  std::unique_ptr<RecordedWork> record(Stream& stream, const std::function<void()>& work) override {
    // Other threads of this process may be other ranks: they go on as they like.
    check(cudaStreamBeginCapture(handle(stream), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      work();
    } catch (...) {  // leaves the capture, so that the stream can be used again
      cudaGraph_t broken = nullptr;
      (void)cudaStreamEndCapture(handle(stream), &broken);
      if (broken != nullptr) cudaGraphDestroy(broken);
      forget_last_error();
      throw;
    }
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(handle(stream), &graph), "cudaStreamEndCapture");
    return std::make_unique<CudaGraph>(graph);
  }

 private:
  int index_;
  std::string name_;
};

int count() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess) return devices;
  forget_last_error();
  return 0;  // no driver, or none that fits
}

// The kernels of this build are for compute capability 7.5 and above; cuDNN's fused attention begins with 8.0.
DeviceDescription describe(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  const int generation = 10 * properties.major + properties.minor;
  DeviceDescription description;
  description.name = properties.name;
  description.text = fmt::format("compute capability {}.{}, {:.1f} GiB", properties.major, properties.minor,
                                 static_cast<double>(properties.totalGlobalMem) / (1 << 30));
  description.is_usable = generation >= 75;
  if (generation < 75)
    description.note = "too old for CUDA 13: build ctrain with CUDA 12, -D CMAKE_CUDA_ARCHITECTURES for it";
  else if (generation < 80)
    description.note = "attention by ctrain's own kernel: cuDNN's needs 8.0";
  return description;
}

std::string driver() {
  int version = 0;  // of CUDA: 13000 is 13.0
  if (cudaDriverGetVersion(&version) != cudaSuccess || version == 0) return "";
  return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
}

const Registration<DeviceKind> registration("cuda",
                                            {count, [](int index) { return std::make_unique<CudaDevice>(index); },
                                             describe, driver});

}  // namespace
}  // namespace ctrain::cuda
