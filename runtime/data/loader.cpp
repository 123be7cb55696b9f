#include "runtime/data/loader.h"

#include <algorithm>

namespace ctrain {

Loader::Loader(const Dataset& dataset, const TransformPipeline& pipeline, const SamplerOptions& options,
               const std::vector<Feed>& feeds, int prefetch_depth, int workers) {
  require(workers >= 0 && (workers == 0 ? prefetch_depth == 0 : prefetch_depth >= 1),
          "a prefetch depth of {} with {} workers", prefetch_depth, workers);
  for (int i = 0; i < std::max(workers, 1); ++i) assemblers_.emplace_back(dataset, pipeline, options, feeds);
  for (int i = 0; i <= prefetch_depth; ++i) ring_.push_back({assemblers_.front().make_batch(), false, nullptr});
  for (int i = 0; i < workers; ++i)
    workers_.emplace_back(
        [this, i](const std::stop_token& stop) { work(stop, assemblers_[static_cast<std::size_t>(i)]); });
}

Loader::~Loader() {
  if (pinned_by_ == nullptr) return;
  for (Slot& slot : ring_)
    for (auto& buffer : slot.batch.buffers)
      if (!buffer.empty()) pinned_by_->unpin(buffer.data());
}

void Loader::pin(Device& device) {
  pinned_by_ = &device;
  for (Slot& slot : ring_)
    for (auto& buffer : slot.batch.buffers)
      if (!buffer.empty()) device.pin(buffer.data(), buffer.size() * sizeof(Batch::CacheLine));
}

std::int64_t Loader::buffer_bytes() const {
  std::int64_t bytes = 0;
  for (const Slot& slot : ring_)
    for (const auto& buffer : slot.batch.buffers)
      bytes += static_cast<std::int64_t>(buffer.size() * sizeof(Batch::CacheLine));
  return bytes;
}

const Loader::Slot& Loader::await_next(std::unique_lock<std::mutex>& lock) {
  const Slot& slot = slot_of(handed_out_);
  changed_.wait(lock, [&] { return begun_ > handed_out_ && !slot.is_being_made; });
  return slot;
}

const Batch& Loader::next() {
  std::unique_lock lock(mutex_);
  if (workers_.empty() && begun_ == handed_out_) make_next(lock, assemblers_.front());
  const Slot& slot = await_next(lock);
  if (slot.failure != nullptr) std::rethrow_exception(slot.failure);
  ++handed_out_;  // gives the batch before this one back to the workers
  changed_.notify_all();
  return slot.batch;
}

const Batch* Loader::peek() {
  if (workers_.empty()) return nullptr;
  std::unique_lock lock(mutex_);
  const Slot& slot = await_next(lock);
  return slot.failure == nullptr ? &slot.batch : nullptr;
}

void Loader::seek(std::int64_t epoch, std::int64_t step) {
  require(epoch >= 0 && step >= 0 && step <= steps_per_epoch(), "a seek to step {} of {} in epoch {}", step,
          steps_per_epoch(), epoch);
  const std::lock_guard lock(mutex_);
  const bool at_end = step == steps_per_epoch();
  epoch_ = at_end ? epoch + 1 : epoch;
  step_ = at_end ? 0 : step;
  begun_ = handed_out_ = 0;
  changed_.notify_all();
}

void Loader::work(const std::stop_token& stop, BatchAssembler& assembler) {
  std::unique_lock lock(mutex_);
  // The batch handed out last is still being read: it takes one slot of the ring. A slot whose batch was begun before a
  // seek is free again when that one is done.
  const auto depth = static_cast<std::int64_t>(ring_.size()) - 1;
  const auto may_begin = [&] { return begun_ < handed_out_ + depth && !slot_of(begun_).is_being_made; };
  while (changed_.wait(lock, stop, may_begin)) make_next(lock, assembler);
}

void Loader::make_next(std::unique_lock<std::mutex>& lock, BatchAssembler& assembler) {
  Slot& slot = slot_of(begun_);
  const std::int64_t epoch = epoch_, step = step_;
  const bool at_end = step + 1 == steps_per_epoch();
  epoch_ = at_end ? epoch + 1 : epoch;
  step_ = at_end ? 0 : step + 1;
  slot.is_being_made = true;
  ++begun_;
  std::exception_ptr failure;
  lock.unlock();
  try {
    assembler.fill(slot.batch, epoch, step);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  slot.failure = failure;
  slot.is_being_made = false;
  changed_.notify_all();
}

}  // namespace ctrain
