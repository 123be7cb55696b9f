#include "runtime/rank.h"

#include <array>
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

std::unique_ptr<Device> make_device(const std::string& kind, int index) {
  if (kind == "cpu") return make_cpu_device();
  return DeviceKinds::instance().get(kind).make(index);
}

constexpr std::size_t metric_stride = 64, metric_count = 4;

}  // namespace

Rank::Rank(const Plan& plan, Communicator& world, const DevicePlace& place)
    : plan_(&plan),
      place_(place),
      on_(make_device(plan.device, place.index)),
      used_before_(on_.device->used_bytes()),
      metrics_(*on_.device, metric_count * metric_stride),
      store_(*on_.device, plan.training.compiled.program),
      arena_(*on_.device, static_cast<std::size_t>(plan.arena_bytes())),
      feeder_(on_, plan.next_batch_bytes()),
      device_world_(plan.device == "cpu" || world.size() == 1
                        ? nullptr
                        : make_device_world(plan.device, place.world, world, *on_.device, *on_.communication)),
      mesh_(plan.mesh, plan.training.compiled.program.groups, device_world_ ? *device_world_ : world),
      training_(plan.training.compiled, store_, arena_.data(), mesh_, on_, plan.record) {
  if (plan.evaluation != nullptr)
    evaluation_ = std::make_unique<Executor>(plan.evaluation->compiled, store_, arena_.data(), mesh_, on_, plan.record);
  const Program& program = plan.training.compiled.program;
  for (const Block& block : program.blocks) {
    if (block.storage != Block::Storage::parameter || !block.is_held) continue;
    std::vector<std::byte> data(static_cast<std::size_t>(block.bytes()));
    initialize(program, block, plan.seed, data.data());
    write(block.value->name, data);
  }
}

std::vector<std::byte> Rank::download(const std::byte* from, std::int64_t bytes) const {
  std::vector<std::byte> data(static_cast<std::size_t>(bytes));
  on_.device->download(data.data(), from, data.size(), *on_.compute);
  on_.compute->synchronize();
  return data;
}

std::vector<std::byte> Rank::read(const std::string& name) const {
  const Program& program = plan_->training.compiled.program;
  return download(store_.data(name), program.blocks[static_cast<std::size_t>(program.persistent.at(name))].bytes());
}

std::vector<std::byte> Rank::read_block(BlockId block) const {
  const Program& program = plan_->training.compiled.program;
  return download(training_.data(block), program.blocks[static_cast<std::size_t>(block)].bytes());
}

void Rank::write(const std::string& name, const std::vector<std::byte>& data) const {
  on_.device->upload(store_.data(name), data.data(), data.size(), *on_.compute);
  on_.compute->synchronize();
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

StepResult Rank::run(const StepPlan& step, Executor& executor, const Batch& batch, const StepState& state,
                     const NextBatch& next) {
  try {
    return run_to_end(step, executor, batch, state, next);
  } catch (...) {
    mesh_.give_up();  // or the rank's memory could never be freed: the device may stand in a collective
    throw;
  }
}

StepResult Rank::run_to_end(const StepPlan& step, Executor& executor, const Batch& batch, const StepState& state,
                            const NextBatch& next) {
  const Program& program = step.compiled.program;
  feeder_.feed(executor, batch);
  executor.run(state);
  const std::array<const Value*, metric_count> metrics = {step.graph.loss, step.graph.count, step.graph.correct,
                                                          step.graph.gradient_squares};
  for (std::size_t i = 0; i < metrics.size(); ++i)
    if (metrics[i] != nullptr)
      on_.device->download(metrics_.data() + i * metric_stride, executor.data(program.kept.at(metrics[i])),
                           size_of(metrics[i]->dtype), *on_.compute);
  if (feeder_.works_ahead() && next != nullptr)
    if (const Batch* upcoming = next(); upcoming != nullptr) feeder_.bring(program, *upcoming);
  executor.wait(place_.policy);
  const auto number = [&](std::size_t i) -> double {
    if (metrics[i] == nullptr) return 0;
    const std::byte* data = metrics_.data() + i * metric_stride;
    return metrics[i]->dtype == DType::f64 ? *reinterpret_cast<const double*>(data)
                                           : *reinterpret_cast<const float*>(data);
  };
  return {number(0), number(1), number(2), std::sqrt(number(3))};
}

void Rank::trace(const StepRange& steps) {
  trace_ = std::make_unique<StepTrace>(plan_->training.compiled.program, *on_.device, steps);
  training_.trace(*trace_);
}

std::string Rank::device_text() const {
  return plan_->device == "cpu" ? "cpu" : fmt::format("{}:{} {}", plan_->device, place_.index, on_.device->name());
}

std::int64_t Rank::measured_bytes() const {
  const bool may_share = place_.world == DeviceWorld::staged && plan_->mesh.size() > 1;
  return plan_->device == "cpu" || may_share ? allocated_bytes() : on_.device->used_bytes() - used_before_;
}

std::int64_t Rank::allocated_bytes() const {
  return static_cast<std::int64_t>(store_.bytes() + arena_.size() + feeder_.bytes());
}

}  // namespace ctrain
