// A prefetching loader: a worker thread fills a ring of batches ahead of the training loop. Buffers are allocated once;
// after its first steps the loader allocates nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "runtime/data/batch_assembler.h"

namespace ctrain {

class Loader {
 public:
  // Starts at step 0 of epoch 0 and works up to `prefetch_depth` (at least 1) batches ahead. The dataset and the
  // pipeline must outlive the loader; many loaders, of many ranks, may share them.
  Loader(const Dataset& dataset, const TransformPipeline& pipeline, const SamplerOptions& options,
         std::vector<Feed> feeds, int prefetch_depth);

  [[nodiscard]] std::int64_t steps_per_epoch() const { return assembler_.sampler().steps_per_epoch(); }

  // Host memory of the ring: prefetch_depth + 1 batches.
  [[nodiscard]] std::int64_t buffer_bytes() const;

  // The next batch, after the last step of an epoch the first of the next one; waits until it is there. It stays valid
  // until the next call of next() or seek(). Throws what went wrong while the batch was made.
  const Batch& next();

  // Goes on at `step` of `epoch`, in constant time; step = steps_per_epoch() means the start of the next epoch.
  void seek(std::int64_t epoch, std::int64_t step);

 private:
  void work(const std::stop_token& stop);

  BatchAssembler assembler_;  // of the worker
  std::vector<Batch> ring_;   // batch number n is in slot n % size; one more than the depth, for the one handed out

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::int64_t epoch_ = 0, step_ = 0;       // of the batch that is made next
  std::int64_t made_ = 0, handed_out_ = 0;  // batches since the last seek
  std::int64_t seeks_ = 0;                  // tells a batch begun before a seek
  std::exception_ptr failure_;              // of batch number made_; no more are made

  std::jthread worker_;  // last: it ends before the rest goes
};

}  // namespace ctrain
