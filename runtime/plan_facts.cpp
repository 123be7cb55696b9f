#include "runtime/plan_facts.h"

#include <algorithm>
#include <tuple>

namespace ctrain {
namespace {

bool is_backward(const Program& program, std::size_t step) { return program.segment_of(step).phase == Phase::backward; }

// Where `made`, the step that writes the block first, stands decides between forward and backward.
ArenaKind kind_of(const Program& program, const Block& block, std::size_t made) {
  if (block.value == nullptr || block.foreign) return ArenaKind::communication;
  if (block.value->kind == Value::Kind::input) return ArenaKind::input;
  if (block.value->is_copy_of_parameter()) return ArenaKind::parameter_copy;
  if (block.value->like != nullptr) return ArenaKind::parameter_gradient;
  return is_backward(program, made) ? ArenaKind::gradient : ArenaKind::activation;
}

std::vector<BlockId> outputs_of(const Step& step) {
  if (const auto* local = std::get_if<LocalStep>(&step)) return local->outputs;
  if (const auto* copy = std::get_if<CopyStep>(&step)) return {copy->output};
  const BlockId output = std::get<CollectiveStep>(step).output;
  return output < 0 ? std::vector<BlockId>{} : std::vector<BlockId>{output};
}

// The step that writes each block first, -1 where none does.
std::vector<int> makers(const Program& program) {
  std::vector<int> result(program.blocks.size(), -1);
  for (std::size_t i = 0; i < program.steps.size(); ++i)
    for (const BlockId id : outputs_of(program.steps[i]))
      if (int& maker = result[static_cast<std::size_t>(id)]; maker < 0) maker = static_cast<int>(i);
  return result;
}

// A copy out of a staging buffer is the end of the collective that filled it.
std::string maker_text(const Program& program, const std::vector<int>& makers, int step) {
  if (step < 0) return "data loader";
  const Step& maker = program.steps[static_cast<std::size_t>(step)];
  if (const auto* local = std::get_if<LocalStep>(&maker)) return local->node.op;
  if (const auto* collective = std::get_if<CollectiveStep>(&maker))
    return fmt::format("{} over {}", name_of(collective->collective), program.mesh.name(collective->axis));
  const auto from = static_cast<std::size_t>(std::get<CopyStep>(maker).input);
  return program.blocks[from].value == nullptr ? maker_text(program, makers, makers[from]) : "slice";
}

}  // namespace

Flops logical_flops(const Graph& graph) {
  Flops flops;
  std::size_t position = 0;
  for (const Node& node : graph.nodes()) {
    const bool backward = graph.first_backward() > 0 && position++ >= graph.first_backward();
    (backward ? flops.backward : flops.forward) += node.flops();
  }
  return flops;
}

Flops rank_flops(const Program& program) {
  Flops flops;
  for (std::size_t i = 0; i < program.steps.size(); ++i)
    if (const auto* local = std::get_if<LocalStep>(&program.steps[i]))
      (is_backward(program, i) ? flops.backward : flops.forward) += local->flops;
  return flops;
}

ModelFlops model_flops(const Graph& graph) {
  double forward = 0, other_half = 0;
  std::size_t position = 0;
  for (const Node& node : graph.nodes()) {
    if (graph.first_backward() > 0 && position++ >= graph.first_backward()) break;
    forward += node.flops();
    if (node.op->name == "attention" && node.attributes.integer("causal") != 0) other_half += node.flops();
  }
  return {3 * forward, 3 * (forward + other_half), 4 * (forward + other_half)};
}

TrafficTable rank_traffic(const Program& program) {
  TrafficTable result;
  for (const auto& [key, bytes] : program.bytes_sent) result[key].bytes = bytes;
  for (const Step& step : program.steps)
    if (const auto* collective = std::get_if<CollectiveStep>(&step))
      ++result[{collective->collective, collective->axis}].calls;
  return result;
}

Traffic total(const TrafficTable& traffic) {
  Traffic sum;
  for (const auto& [key, part] : traffic) {
    sum.calls += part.calls;
    sum.bytes += part.bytes;
  }
  return sum;
}

std::string_view name_of(ArenaKind kind) {
  static constexpr std::array<std::string_view, arena_kind_count> names = {
      "input", "activation", "gradient", "parameter_copy", "parameter_gradient", "communication", "workspace"};
  return names.at(static_cast<std::size_t>(kind));
}

ArenaUse arena_use(const CompiledProgram& compiled) {
  const Program& program = compiled.program;
  const std::size_t steps = program.steps.size();
  using Sums = std::array<std::int64_t, arena_kind_count>;
  std::vector<Sums> changes(steps + 2);  // a block that is kept lives past the last step
  const auto add = [&](ArenaKind kind, std::int64_t bytes, int first, int last) {
    const auto begin = static_cast<std::size_t>(first), end = static_cast<std::size_t>(last) + 1;
    changes[begin][static_cast<std::size_t>(kind)] += bytes;
    changes[end][static_cast<std::size_t>(kind)] -= bytes;
  };
  for (std::size_t id = 0; id < program.blocks.size(); ++id) {
    if (compiled.memory.block_offsets[id] < 0) continue;
    const Block& block = program.blocks[id];
    const auto& [first, last] = compiled.memory.lives[id];
    add(kind_of(program, block, static_cast<std::size_t>(first)), block.bytes(), first, last);
  }
  for (std::size_t i = 0; i < steps; ++i) {
    const int step = static_cast<int>(i);
    add(ArenaKind::workspace, static_cast<std::int64_t>(compiled.kernels[i].workspace), step, step);
  }
  ArenaUse use;
  Sums live{};
  std::int64_t largest = 0;
  for (std::size_t i = 0; i <= steps; ++i) {
    std::int64_t sum = 0;
    for (std::size_t kind = 0; kind < arena_kind_count; ++kind) {
      live[kind] += changes[i][kind];
      use.most[kind] = std::max(use.most[kind], live[kind]);
      sum += live[kind];
    }
    if (sum <= largest) continue;
    largest = sum;
    use.fullest_step = static_cast<int>(i);
    use.at_fullest = live;
  }
  return use;
}

std::vector<ArenaTensor> arena_tensors(const Program& program) {
  const std::vector<int> made = makers(program);
  std::vector<std::pair<int, BlockId>> order;
  for (std::size_t id = 0; id < program.blocks.size(); ++id) {
    const Block& block = program.blocks[id];
    const bool is_fed = block.storage == Block::Storage::feed;
    if (is_fed || (block.storage == Block::Storage::arena && block.value != nullptr && made[id] >= 0))
      order.emplace_back(made[id], static_cast<BlockId>(id));
  }
  std::sort(order.begin(), order.end());
  std::vector<ArenaTensor> result;
  std::map<std::tuple<const Value*, ArenaKind, Layout, std::string>, std::size_t> known;
  for (const auto& [step, id] : order) {
    const Block& block = program.blocks[static_cast<std::size_t>(id)];
    const Value& value = *block.value;
    const ArenaKind kind = kind_of(program, block, static_cast<std::size_t>(std::max(step, 0)));
    const std::string made_by = maker_text(program, made, step);
    const auto [it, fresh] = known.try_emplace({&value, kind, block.layout, made_by}, result.size());
    if (!fresh) {
      ++result[it->second].count;
      continue;
    }
    const std::string suffix = value.is_copy_of_parameter() ? fmt::format(".{}", name_of(value.dtype)) : ".grad";
    result.push_back({value.like == nullptr ? value.name : value.like->name + suffix, &block, kind, made_by});
  }
  return result;
}

}  // namespace ctrain
