#include "runtime/executor.h"

#include <algorithm>
#include <cstring>

#include "memory/arena_planner.h"
#include "memory/error.h"

namespace ctrain {
namespace {

// Nested strided copy; the innermost loop is a memcpy where both sides are contiguous.
template <typename Word>
void copy_loops(const CopyStep::Loop* loop, const CopyStep::Loop* last, const Word* from, Word* to) {
  if (loop == last) {
    if (loop->from_stride == 1 && loop->to_stride == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(loop->count) * sizeof(Word));
    } else {
      for (std::int64_t i = 0; i < loop->count; ++i) to[i * loop->to_stride] = from[i * loop->from_stride];
    }
    return;
  }
  for (std::int64_t i = 0; i < loop->count; ++i)
    copy_loops(loop + 1, last, from + i * loop->from_stride, to + i * loop->to_stride);
}

void run_copy(const CopyStep& step, DType dtype, const void* from, void* to) {
  const auto* first = step.loops.data();
  const auto* last = first + step.loops.size() - 1;
  if (size_of(dtype) == 8) {
    copy_loops(first, last, static_cast<const std::uint64_t*>(from) + step.from_offset,
               static_cast<std::uint64_t*>(to) + step.to_offset);
  } else {
    copy_loops(first, last, static_cast<const std::uint32_t*>(from) + step.from_offset,
               static_cast<std::uint32_t*>(to) + step.to_offset);
  }
}

}  // namespace

MeshCommunicators::MeshCommunicators(const Mesh& mesh, Communicator& world) {
  for (std::size_t i = 0; i < mesh.axes().size(); ++i) {
    const auto axis = static_cast<Axis>(i);
    lines_.push_back(mesh.size(axis) == 1 ? nullptr : world.subgroup(mesh.line(world.rank(), axis), mesh.name(axis)));
  }
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

CompiledProgram compile(Program program, Backend backend, DType real) {
  CompiledProgram result;
  result.program = std::move(program);
  std::vector<std::size_t> workspaces;
  for (const Step& step : result.program.steps) {
    const auto* local = std::get_if<LocalStep>(&step);
    result.kernels.push_back(local == nullptr ? Kernel{} : KernelTable::instance().make(backend, real, local->node));
    workspaces.push_back(result.kernels.back().workspace);
  }
  result.memory = plan_memory(result.program, workspaces);
  return result;
}

Executor::Executor(const CompiledProgram& compiled, ParameterStore& store, std::byte* arena,
                   const MeshCommunicators& mesh)
    : compiled_(&compiled) {
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
    bound.communicator = mesh.along(collective.axis);
    bound.call = {collective.collective, span(collective.input), span(collective.output), collective.root,
                  collective.reduction};
    if (collective.collective == Collective::broadcast) {  // one span, whether it is sent or received
      const Span data = span(collective.input >= 0 ? collective.input : collective.output);
      bound.call.in = bound.call.out = data;
    }
    const std::int64_t bytes = std::max(bound.call.in.bytes(), ConstSpan(bound.call.out).bytes());
    bound.communicator->reserve(static_cast<std::size_t>(bytes));
  }
}

void Executor::run(const StepState& state, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    const BoundStep& step = steps_[i];
    if (step.kernel != nullptr) {
      step.kernel->run({step.inputs, step.outputs, step.workspace, &state});
    } else if (step.copy != nullptr) {
      run_copy(*step.copy, step.call.in.dtype, step.call.in.data, step.call.out.data);
    } else {
      step.communicator->run(step.call);
    }
  }
}

}  // namespace ctrain
