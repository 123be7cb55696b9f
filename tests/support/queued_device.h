// For tests: a device on the host whose work really waits. What a stream is to do stands in its queue. The eager stream
// does it at once; any other does it when somebody waits for it, and not before. Data then show where a wait is
// missing.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "tests/support/heap_device.h"

namespace ctrain::testing {

class QueuedStream;

class QueuedEvent final : public Event {
 public:
  void synchronize() override;
  [[nodiscard]] bool is_complete() override {
    synchronize();
    return true;
  }
  [[nodiscard]] double seconds_since(Event&) override { return 0; }

 private:
  friend class QueuedStream;
  QueuedStream* stream_ = nullptr;  // on which it was recorded last, after so much work
  std::size_t position_ = 0;
};

class QueuedStream final : public Stream {
 public:
  explicit QueuedStream(bool is_eager) : is_eager_(is_eager) {}
  void enqueue(std::function<void()> work) {
    queue_.push_back(std::move(work));
    if (is_eager_) synchronize();
  }
  void synchronize() override { work_until(done_ + queue_.size()); }
  void record(Event& event) override {
    auto& recorded = static_cast<QueuedEvent&>(event);
    recorded.stream_ = this;
    recorded.position_ = done_ + queue_.size();
  }
  void wait(Event& event) override {
    enqueue([recorded = static_cast<QueuedEvent&>(event)]() mutable { recorded.synchronize(); });
  }
  void work_until(std::size_t position) {
    while (done_ < position) {
      queue_.front()();  // which may wait for another stream, and this one for what is done here already
      queue_.pop_front();
      ++done_;
    }
  }

 private:
  bool is_eager_;
  std::size_t done_ = 0;
  std::deque<std::function<void()>> queue_;
};

inline void QueuedEvent::synchronize() {
  if (stream_ != nullptr) stream_->work_until(position_);
}

class QueuedDevice final : public Device {
 public:
  // `eager`: the number of the eager stream, in the order in which streams are made. Where kernels run, it is theirs:
  // they do not go through the queue.
  explicit QueuedDevice(int eager) : eager_(eager) {}
  [[nodiscard]] std::string name() const override { return "queued"; }
  [[nodiscard]] bool is_asynchronous() const override { return true; }
  [[nodiscard]] void* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* pointer, std::size_t bytes) noexcept override { memory_.release(pointer, bytes); }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<QueuedStream>(streams_++ == eager_); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<QueuedEvent>(); }
  void upload(void* to, const void* from, std::size_t bytes, Stream& stream) override { copy(to, from, bytes, stream); }
  void download(void* to, const void* from, std::size_t bytes, Stream& stream) override {
    copy(to, from, bytes, stream);
  }
  void copy(void* to, const void* from, std::size_t bytes, Stream& stream) override {
    static_cast<QueuedStream&>(stream).enqueue([=] { std::memcpy(to, from, bytes); });
  }

 private:
  HeapDevice memory_;
  int eager_, streams_ = 0;
};

}  // namespace ctrain::testing
