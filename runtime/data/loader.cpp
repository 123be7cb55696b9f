#include "runtime/data/loader.h"

namespace ctrain {

Loader::Loader(const Dataset& dataset, const TransformPipeline& pipeline, const SamplerOptions& options,
               std::vector<Feed> feeds, int prefetch_depth)
    : assembler_(dataset, pipeline, options, std::move(feeds)) {
  require(prefetch_depth >= 1, "a prefetch depth of {}", prefetch_depth);
  for (int i = 0; i <= prefetch_depth; ++i) ring_.push_back(assembler_.make_batch());
  worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

std::int64_t Loader::buffer_bytes() const {
  std::int64_t bytes = 0;
  for (const Batch& batch : ring_)
    for (const auto& buffer : batch.buffers)
      bytes += static_cast<std::int64_t>(buffer.size() * sizeof(Batch::CacheLine));
  return bytes;
}

const Batch& Loader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return made_ > handed_out_ || failure_ != nullptr; });
  if (made_ == handed_out_) std::rethrow_exception(failure_);
  const Batch& batch = ring_[static_cast<std::size_t>(handed_out_) % ring_.size()];
  ++handed_out_;  // gives the batch before this one back to the worker
  changed_.notify_all();
  return batch;
}

void Loader::seek(std::int64_t epoch, std::int64_t step) {
  require(epoch >= 0 && step >= 0 && step <= steps_per_epoch(), "a seek to step {} of {} in epoch {}", step,
          steps_per_epoch(), epoch);
  const std::lock_guard lock(mutex_);
  const bool at_end = step == steps_per_epoch();
  epoch_ = at_end ? epoch + 1 : epoch;
  step_ = at_end ? 0 : step;
  made_ = handed_out_ = 0;
  failure_ = nullptr;
  ++seeks_;
  changed_.notify_all();
}

void Loader::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    // The batch handed out last is still being read: it takes one slot of the ring.
    const auto depth = static_cast<std::int64_t>(ring_.size()) - 1;
    if (!changed_.wait(lock, stop, [&] { return failure_ == nullptr && made_ < handed_out_ + depth; })) return;
    const std::int64_t epoch = epoch_, step = step_, seeks = seeks_;
    Batch& batch = ring_[static_cast<std::size_t>(made_) % ring_.size()];
    std::exception_ptr failure;
    lock.unlock();
    try {
      assembler_.fill(batch, epoch, step);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (seeks != seeks_) continue;  // made for a place that is no longer wanted
    failure_ = failure;
    if (failure == nullptr) {
      ++made_;
      const bool at_end = step + 1 == steps_per_epoch();
      epoch_ = at_end ? epoch + 1 : epoch;
      step_ = at_end ? 0 : step + 1;
    }
    changed_.notify_all();
  }
}

}  // namespace ctrain
