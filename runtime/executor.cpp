#include "runtime/executor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "memory/arena_planner.h"
#include "memory/error.h"
#include "runtime/stream_order.h"

namespace ctrain {
namespace {

constexpr int eager_polls = 20000;  // a few milliseconds, before the waiting thread begins to sleep

}  // namespace

MeshCommunicators::MeshCommunicators(const Mesh& mesh, const Groups& groups, Communicator& world) {
  for (std::size_t i = 0; i < mesh.axes().size(); ++i) {
    const auto axis = static_cast<Axis>(i);
    lines_.push_back(mesh.size(axis) == 1 ? nullptr : world.subgroup(mesh.line(world.rank(), axis), mesh.name(axis)));
  }
  for (const auto& [axis, members] : groups) {  // who is no member makes a group of one, in the same call
    Communicator& line = *lines_[axis];
    const bool is_member = std::find(members.begin(), members.end(), line.rank()) != members.end();
    auto group = line.subgroup(is_member ? members : Members{line.rank()},
                               fmt::format("{} {}", mesh.name(axis), fmt::join(members, ", ")));
    if (is_member) groups_[{axis, members}] = std::move(group);
  }
}

Communicator* MeshCommunicators::along(Axis axis, const Members& members) const {
  return members.empty() ? lines_[axis].get() : groups_.at({axis, members}).get();
}

std::int64_t MeshCommunicators::sent(Axis axis, Collective collective) const {
  std::int64_t bytes = lines_[axis] == nullptr ? 0 : lines_[axis]->sent(collective);
  for (const auto& [key, group] : groups_)
    if (key.first == axis) bytes += group->sent(collective);
  return bytes;
}

void MeshCommunicators::give_up() const {
  for (const auto& line : lines_)
    if (line != nullptr) line->give_up();
  for (const auto& [key, group] : groups_) group->give_up();
}

ParameterStore::ParameterStore(Device& device, const Program& program) {
  std::int64_t bytes = 0;
  std::map<std::string, std::int64_t> offsets;
  for (const auto& [name, id] : program.persistent) {
    offsets[name] = bytes;
    bytes += align_up(program.blocks[static_cast<std::size_t>(id)].bytes());
  }
  buffer_ = Buffer(device, static_cast<std::size_t>(bytes));
  for (const auto& [name, offset] : offsets) data_[name] = buffer_.data() + offset;
}

std::byte* ParameterStore::data(const std::string& name) const {
  const auto it = data_.find(name);
  require(it != data_.end(), "no parameter or state {}", name);
  return it->second;
}

CompiledProgram compile(Program program, Backend backend) {
  CompiledProgram result;
  result.backend = backend;
  result.program = std::move(program);
  std::vector<std::size_t> workspaces;
  for (const Step& step : result.program.steps) {
    const auto* local = std::get_if<LocalStep>(&step);
    result.kernels.push_back(local == nullptr ? Kernel{} : KernelTable::instance().make(backend, local->node));
    workspaces.push_back(result.kernels.back().workspace);
  }
  result.memory = plan_memory(result.program, workspaces);
  return result;
}

RankDevice::RankDevice(std::unique_ptr<Device> made) : device(std::move(made)) {
  device->make_current();
  compute = device->make_stream();
  communication = device->make_stream();
}

Executor::Executor(const CompiledProgram& compiled, ParameterStore& store, std::byte* arena,
                   const MeshCommunicators& mesh, RankDevice& on, bool record)
    : compiled_(&compiled),
      on_(&on),
      copy_(strided_copy_of(compiled.backend)),
      host_state_(*on.device, sizeof(StepState)),
      state_(*on.device, sizeof(StepState)),
      may_record_(record) {
  const Program& program = compiled.program;
  for (std::size_t id = 0; id < program.blocks.size(); ++id) {
    const std::int64_t offset = compiled.memory.block_offsets[id];
    addresses_.push_back(offset >= 0 ? arena + offset : nullptr);
  }
  for (const auto& [name, id] : program.persistent) addresses_[static_cast<std::size_t>(id)] = store.data(name);
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    bind(program.steps[i], i, mesh);
    if (const std::int64_t offset = compiled.memory.workspace_offsets[i]; offset >= 0)
      steps_[i].workspace = arena + offset;
  }
  if (on.device->is_asynchronous()) order_streams();
}

void Executor::bind(const Step& step, std::size_t i, const MeshCommunicators& mesh) {
  BoundStep& bound = steps_.emplace_back();
  const auto span = [&](BlockId id) {
    if (id < 0) return Span{};
    const Operand& operand = compiled_->program.blocks[static_cast<std::size_t>(id)].operand;
    return Span{data(id), operand.elements(), operand.dtype};
  };
  if (const auto* local = std::get_if<LocalStep>(&step)) {
    bound.kernel = &compiled_->kernels[i];
    for (const BlockId id : local->inputs) bound.inputs.push_back(data(id));
    for (const BlockId id : local->outputs) bound.outputs.push_back(data(id));
  } else if (const auto* copy = std::get_if<CopyStep>(&step)) {
    bound.copy = copy;
    bound.call.in = span(copy->input);
    bound.call.out = span(copy->output);
  } else {
    const auto& collective = std::get<CollectiveStep>(step);
    bound.communicator = mesh.along(collective.axis, collective.members);
    bound.call = {collective.collective, span(collective.input), span(collective.output), collective.root,
                  collective.reduction};
    if (collective.collective == Collective::broadcast) {  // one span, whether it is sent or received
      const Span data = span(collective.input >= 0 ? collective.input : collective.output);
      bound.call.in = bound.call.out = data;
    }
    const std::int64_t bytes = std::max(bound.call.in.bytes(), ConstSpan(bound.call.out).bytes());
    bound.communicator->reserve(static_cast<std::size_t>(bytes));
    if (std::find(communicators_.begin(), communicators_.end(), bound.communicator) == communicators_.end())
      communicators_.push_back(bound.communicator);
  }
}

// Gives each step the events of the other stream that it must wait for.
void Executor::order_streams() {
  std::vector<StepMemory> memory;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const auto interval = [&](BlockId id) {
      const std::byte* begin = data(id);
      return Interval{begin, begin + compiled_->program.blocks[static_cast<std::size_t>(id)].bytes()};
    };
    StepMemory& touched = memory.emplace_back();
    const Step& step = compiled_->program.steps[i];
    if (const auto* local = std::get_if<LocalStep>(&step)) {
      for (const BlockId id : local->inputs) touched.reads.push_back(interval(id));
      for (const BlockId id : local->outputs) touched.writes.push_back(interval(id));
      if (const auto* workspace = static_cast<const std::byte*>(steps_[i].workspace); workspace != nullptr)
        touched.writes.push_back({workspace, workspace + steps_[i].kernel->workspace});
    } else {
      const auto* copy = std::get_if<CopyStep>(&step);
      const auto* collective = std::get_if<CollectiveStep>(&step);
      const BlockId in = copy != nullptr ? copy->input : collective->input,
                    out = copy != nullptr ? copy->output : collective->output;
      if (in >= 0) touched.reads.push_back(interval(in));
      if (out >= 0) touched.writes.push_back(interval(out));
      touched.stream = copy != nullptr ? 0 : 1;
    }
  }
  const auto make_event = [&] { return events_.emplace_back(on_->device->make_event()).get(); };
  const auto waits = cross_stream_waits(memory, 2);
  for (std::size_t i = 0; i < waits.size(); ++i)
    for (const std::size_t before : waits[i]) {
      if (steps_[before].done == nullptr) steps_[before].done = make_event();
      steps_[i].waits.push_back(steps_[before].done);
    }
  begun_ = make_event();
  communicated_ = make_event();
}

void Executor::enqueue(std::size_t i) {
  const BoundStep& step = steps_[i];
  Stream& stream = step.communicator != nullptr ? *on_->communication : *on_->compute;
  for (Event* event : step.waits) stream.wait(*event);
  if (tracing_) trace_->enter(i, stream);
  if (step.kernel != nullptr) {
    step.kernel->run({step.inputs, step.outputs, step.workspace, reinterpret_cast<const StepState*>(state_.data()),
                      stream.native()});
  } else if (step.copy != nullptr) {
    copy_(step.copy->copy, size_of(step.call.in.dtype), step.call.in.data, step.call.out.data, stream.native());
  } else {
    step.communicator->run(step.call);
  }
  if (step.done != nullptr) stream.record(*step.done);
  if (tracing_) trace_->leave(i, stream);
}

// The communication stream begins after what came before on the compute stream, which goes on after both.
void Executor::enqueue(std::size_t first, std::size_t last) {
  if (begun_ != nullptr) {
    on_->compute->record(*begun_);
    on_->communication->wait(*begun_);
  }
  for (std::size_t i = first; i < last; ++i) enqueue(i);
  if (communicated_ != nullptr) {
    on_->communication->record(*communicated_);
    on_->compute->wait(*communicated_);
  }
}

void Executor::wait(const WaitPolicy& policy) {
  if (done_ == nullptr) done_ = on_->device->make_event();
  on_->compute->record(*done_);
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  bool warned = false;
  for (int polls = 0; !done_->is_complete(); ++polls) {
    if (polls < eager_polls) continue;
    for (Communicator* communicator : communicators_) communicator->check_health();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const bool is_over = seconds > policy.timeout;
    if (is_over || (seconds > policy.warning && !warned)) {
      std::string message = fmt::format("rank {}: the device has not ended a step for {:.1f} s; collectives enqueued:",
                                        compiled_->program.rank, seconds);
      for (const Communicator* communicator : communicators_)
        message += fmt::format(" {} over '{}'", communicator->calls(), communicator->name());
      if (is_over) throw running_error("{}", message);
      if (policy.warn) policy.warn(message);
      warned = true;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  if (std::exchange(tracing_, false)) trace_->collect();
}

void Executor::record() {
  may_record_ = false;  // one attempt
  for (const Communicator* communicator : communicators_) {
    if (communicator->is_recordable()) continue;
    not_recorded_because_ = "collectives go through the host";
    return;
  }
  try {
    recorded_ = on_->device->record(*on_->compute, [this] { enqueue(0, steps_.size()); });
  } catch (const Error& error) {
    not_recorded_because_ = error.what();
  }
}

void Executor::set(const StepState& state) {
  std::memcpy(host_state_.data(), &state, sizeof state);
  on_->device->upload(state_.data(), host_state_.data(), sizeof state, *on_->compute);
}

void Executor::run(const StepState& state, std::size_t first, std::size_t last) {
  set(state);
  enqueue(first, last);
}

void Executor::run(const StepState& state) {
  set(state);
  if (trace_ != nullptr && trace_->covers(state.step)) {
    ++runs_;
    tracing_ = true;
    trace_->begin(state.step, *on_->compute);
    enqueue(0, steps_.size());
    return trace_->enqueued();
  }
  if (recorded_ != nullptr) {
    for (const BoundStep& step : steps_)
      if (step.communicator != nullptr) step.communicator->count(step.call);
    return recorded_->enqueue(*on_->compute);
  }
  // The first run is not recorded: kernels choose their algorithms in it.
  if (runs_++ > 0 && may_record_ && on_->device->is_asynchronous()) record();
  recorded_ != nullptr ? recorded_->enqueue(*on_->compute) : enqueue(0, steps_.size());
}

}  // namespace ctrain
