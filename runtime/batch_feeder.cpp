#include "runtime/batch_feeder.h"

#include "memory/arena_planner.h"
#include "memory/error.h"

namespace ctrain {
namespace {

// visit(i, block, bytes, offset) for every feed: its block, and where it lies among all of them.
template <typename Visit>
void visit_feeds(const Program& program, const Visit& visit) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < program.feeds.size(); ++i) {
    const BlockId block = program.feeds[i].block;
    const std::int64_t bytes = program.blocks[static_cast<std::size_t>(block)].bytes();
    visit(i, block, static_cast<std::size_t>(bytes), offset);
    offset += align_up(bytes);
  }
}

}  // namespace

BatchFeeder::BatchFeeder(RankDevice& on, std::int64_t bytes)
    : on_(&on), next_(*on.device, static_cast<std::size_t>(bytes)) {
  if (bytes == 0) return;
  uploads_ = on.device->make_stream();
  brought_ = on.device->make_event();
  taken_ = on.device->make_event();
}

void BatchFeeder::enqueue_upload(const Program& program, const Batch& batch) {
  uploads_->wait(*taken_);
  visit_feeds(program, [&](std::size_t i, BlockId, std::size_t bytes, std::int64_t offset) {
    on_->device->upload(next_.data() + offset, batch.buffers[i].data(), bytes, *uploads_);
  });
  uploads_->record(*brought_);
}

void BatchFeeder::bring(const Program& program, const Batch& batch) {
  require(works_ahead(), "nothing is brought ahead on the CPU");
  enqueue_upload(program, batch);
  brought_->synchronize();
  brought_for_ = {&program, &batch};
}

void BatchFeeder::feed(const Executor& executor, const Batch& batch) {
  const Program& program = executor.program();
  if (!works_ahead())
    return visit_feeds(program, [&](std::size_t i, BlockId block, std::size_t bytes, std::int64_t) {
      on_->device->upload(executor.data(block), batch.buffers[i].data(), bytes, *on_->compute);
    });
  if (std::exchange(brought_for_, {}) != std::pair(&program, &batch)) enqueue_upload(program, batch);
  on_->compute->wait(*brought_);
  visit_feeds(program, [&](std::size_t, BlockId block, std::size_t bytes, std::int64_t offset) {
    on_->device->copy(executor.data(block), next_.data() + offset, bytes, *on_->compute);
  });
  on_->compute->record(*taken_);
}

}  // namespace ctrain
