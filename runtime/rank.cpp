#include "runtime/rank.h"

#include <cmath>

#include "memory/error.h"
#include "runtime/initialize.h"

namespace ctrain {
namespace {

FeedField field_of(const std::string& input) {
  if (input == "images") return FeedField::images;
  if (input == "tokens") return FeedField::tokens;
  if (input == "labels") return FeedField::labels;
  require(input == "targets", "no data for input {}", input);
  return FeedField::targets;
}

}  // namespace

Rank::Rank(const Plan& plan, Communicator& world)
    : plan_(&plan),
      device_(make_cpu_device()),
      stream_(device_->make_stream()),
      store_(*device_, plan.training.compiled.program),
      arena_(*device_, static_cast<std::size_t>(plan.arena_bytes())),
      mesh_(plan.mesh, world),
      training_(plan.training.compiled, store_, arena_.data(), mesh_) {
  if (plan.evaluation != nullptr)
    evaluation_ = std::make_unique<Executor>(plan.evaluation->compiled, store_, arena_.data(), mesh_);
  const Program& program = plan.training.compiled.program;
  for (const Block& block : program.blocks)
    if (block.storage == Block::Storage::parameter)
      initialize(program, block, plan.seed, store_.data(block.value->name));
}

std::vector<Feed> Rank::feeds(const StepPlan& step) {
  const Program& program = step.compiled.program;
  std::vector<Feed> result;
  for (const FeedBlock& feed : program.feeds) {
    const DType type = program.blocks[static_cast<std::size_t>(feed.block)].operand.dtype;
    result.push_back({field_of(feed.input), feed.first_row, feed.rows, type, feed.tokens, step.graph.ignore_index});
  }
  return result;
}

StepResult Rank::run(const StepPlan& step, Executor& executor, const Batch& batch, const StepState& state) {
  const Program& program = step.compiled.program;
  for (std::size_t i = 0; i < program.feeds.size(); ++i) {
    const BlockId block = program.feeds[i].block;
    const auto bytes = static_cast<std::size_t>(program.blocks[static_cast<std::size_t>(block)].bytes());
    device_->upload(executor.data(block), batch.buffers[i].data(), bytes, *stream_);
  }
  executor.run(state);
  const auto scalar = [&](const Value* value) -> double {
    if (value == nullptr) return 0;
    const std::byte* data = executor.data(program.kept.at(value));
    return plan_->real == DType::f64 ? *reinterpret_cast<const double*>(data) : *reinterpret_cast<const float*>(data);
  };
  return {scalar(step.graph.loss), scalar(step.graph.count), scalar(step.graph.correct),
          std::sqrt(scalar(step.graph.gradient_squares))};
}

std::int64_t Rank::allocated_bytes() const { return static_cast<std::int64_t>(store_.bytes() + arena_.size()); }

}  // namespace ctrain
