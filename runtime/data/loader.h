// A prefetching loader: worker threads fill a ring of batches ahead of the training loop, each a whole batch at a time,
// which come out in order whatever the number of workers. Buffers are allocated once; after its first steps the loader
// allocates nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "memory/device.h"
#include "runtime/data/batch_assembler.h"

namespace ctrain {

class Loader {
 public:
  // Starts at step 0 of epoch 0 and works up to `prefetch_depth` (at least 1) batches ahead. With 0 workers and a depth
  // of 0, next() makes the batch itself. The dataset and the pipeline must outlive the loader; many loaders, of many
  // ranks, may share them.
  Loader(const Dataset& dataset, const TransformPipeline& pipeline, const SamplerOptions& options,
         const std::vector<Feed>& feeds, int prefetch_depth, int workers = 1);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Makes the ring's memory such that the device copies from it without a stop. The device outlives the loader.
  void pin(Device& device);

  [[nodiscard]] std::int64_t steps_per_epoch() const { return assemblers_.front().sampler().steps_per_epoch(); }

  // Host memory of the ring: prefetch_depth + 1 batches.
  [[nodiscard]] std::int64_t buffer_bytes() const;

  // The next batch, after the last step of an epoch the first of the next one; waits until it is there. It stays valid
  // until the next call of next() or seek(). Throws what went wrong while the batch was made.
  const Batch& next();

  // The batch that next() will hand out, of which it may be read ahead; waits until it is there. nullptr where it went
  // wrong, as next() will tell, and without workers, who alone make batches ahead.
  const Batch* peek();

  // Goes on at `step` of `epoch`, in constant time; step = steps_per_epoch() means the start of the next epoch.
  void seek(std::int64_t epoch, std::int64_t step);

 private:
  struct Slot {
    Batch batch;
    bool is_being_made = false;
    std::exception_ptr failure;  // of the batch made last
  };

  // Waits for the batch that is handed out next.
  const Slot& await_next(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] Slot& slot_of(std::int64_t number) { return ring_[static_cast<std::size_t>(number) % ring_.size()]; }
  void work(const std::stop_token& stop, BatchAssembler& assembler);
  void make_next(std::unique_lock<std::mutex>& lock, BatchAssembler& assembler);  // unlocks while it works

  std::vector<BatchAssembler> assemblers_;  // of each worker
  Device* pinned_by_ = nullptr;

  std::mutex mutex_;  // guards what follows, but the batch of a slot while it is being made or handed out
  std::condition_variable_any changed_;
  std::vector<Slot> ring_;                   // one more than the depth, for the batch handed out
  std::int64_t epoch_ = 0, step_ = 0;        // of the batch that is begun next
  std::int64_t begun_ = 0, handed_out_ = 0;  // batches since the last seek

  std::vector<std::jthread> workers_;  // last: they end before the rest goes
};

}  // namespace ctrain
