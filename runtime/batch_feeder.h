// Brings batches to the device. The blocks that a batch fills share the arena with others, so that it cannot lie there
// before its step begins. On an accelerator it is therefore copied from the host into memory of its own, on a stream of
// its own and while the step before it runs; its step begins with a copy within the device. On the CPU it is copied to
// its blocks, and that is all.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "runtime/data/feed.h"
#include "runtime/executor.h"

namespace ctrain {

class BatchFeeder {
 public:
  // `bytes`: of the largest program's feeds; 0 on the CPU, and on a stage of a pipeline that is fed nothing. `on`
  // outlives the feeder.
  BatchFeeder(RankDevice& on, std::int64_t bytes);

  [[nodiscard]] bool works_ahead() const { return uploads_ != nullptr; }
  [[nodiscard]] std::size_t bytes() const { return next_.size(); }

  // Copies the batch of the program's next step to the device, beside what the compute stream does, and returns when
  // it is there. Only where it works ahead.
  void bring(const Program& program, const Batch& batch);

  // Enqueues on the compute stream what fills the feed blocks of the executor's program. A batch that was not brought
  // just before is brought now; it is known by its address, so that a batch that was brought must not change until
  // then.
  void feed(const Executor& executor, const Batch& batch);

 private:
  void enqueue_upload(const Program& program, const Batch& batch);

  RankDevice* on_;
  Buffer next_;  // the program's feed blocks, one behind the other
  std::unique_ptr<Stream> uploads_;
  std::unique_ptr<Event> brought_, taken_;               // of the batch that `next_` holds
  std::pair<const Program*, const Batch*> brought_for_;  // what lies there and was not taken yet
};

}  // namespace ctrain
