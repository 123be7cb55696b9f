#include "runtime/plan_text.h"

#include <fmt/ranges.h>

#include "runtime/console/folded_table.h"
#include "runtime/pipeline_text.h"
#include "runtime/plan_facts.h"

namespace ctrain {
namespace {

constexpr Table::Align right = Table::Align::right;

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string ranks_text(const std::vector<int>& ranks) {
  constexpr std::size_t most = 8;
  if (ranks.size() <= most) return fmt::format("{}", fmt::join(ranks, ", "));
  return fmt::format("{}, {}, {}, ... {}", ranks[0], ranks[1], ranks[2], ranks.back());
}

std::string groups_text(const Plan& plan) {
  Table table({{"axis"}, {"ranks", right}, {"position", right}, {"this rank's group"}});
  for (std::size_t i = 0; i < plan.mesh.axes().size(); ++i) {
    const auto axis = static_cast<Axis>(i);
    table.add_row({plan.mesh.name(axis), std::to_string(plan.mesh.size(axis)),
                   std::to_string(plan.mesh.coordinate(plan.rank, axis)), ranks_text(plan.mesh.line(plan.rank, axis))});
  }
  return table.text();
}

std::string flops_text(const StepPlan& step) {
  Table table({{"FLOPs"}, {"forward", right}, {"backward", right}, {"a step", right}});
  const auto add = [&](const std::string& whose, const Flops& flops) {
    const auto number = [](double value) { return fmt::format("{:.6g}", value); };
    table.add_row({whose, number(flops.forward), number(flops.backward), number(flops.total())});
  };
  add("all ranks together", logical_flops(*step.graph.graph));
  add("this rank", rank_flops(step.compiled.program));
  return table.text();
}

std::string traffic_text(const Program& program) {
  const TrafficTable traffic = rank_traffic(program);
  if (traffic.empty()) return "nothing sent: no collective\n";
  Table table({{"collective"}, {"axis"}, {"calls a step", right}, {"bytes sent a step", right}});
  const auto add = [&](std::string_view collective, const std::string& axis, const Traffic& part) {
    table.add_row({std::string(collective), axis, std::to_string(part.calls), std::to_string(part.bytes)});
  };
  for (const auto& [key, part] : traffic) add(name_of(key.first), program.mesh.name(key.second), part);
  add("total", "", total(traffic));
  return table.text();
}

const char* title_of(ArenaKind kind) {
  switch (kind) {
    case ArenaKind::input:
      return "  inputs";
    case ArenaKind::activation:
      return "  activations";
    case ArenaKind::gradient:
      return "  their gradients";
    case ArenaKind::parameter_copy:
      return "  copies of parameters";
    case ArenaKind::parameter_gradient:
      return "  gradients of parameters";
    case ArenaKind::communication:
      return "  communication, copies";
    case ArenaKind::workspace:
      break;
  }
  return "  workspaces";
}

// The arena of one of the two programs, by kind.
std::string arena_text(const CompiledProgram& compiled) {
  const MemoryPlan& memory = compiled.memory;
  const ArenaUse use = arena_use(compiled);
  Table table({{"arena"}, {fmt::format("at step {}", use.fullest_step), right}, {"at most", right}});
  for (std::size_t i = 0; i < arena_kind_count; ++i)
    if (use.most[i] > 0)
      table.add_row({title_of(static_cast<ArenaKind>(i)), bytes_text(use.at_fullest[i]), bytes_text(use.most[i])});
  table.add_row({"  gaps", bytes_text(memory.arena_bytes - memory.lower_bound), ""});
  table.add_row({"peak", bytes_text(memory.arena_bytes), ""});
  const auto peak = static_cast<double>(memory.arena_bytes), bound = static_cast<double>(memory.lower_bound);
  return table.text() + fmt::format("{} steps; peak {} bytes, lower bound {} bytes, {:.1f} % above it\n",
                                    compiled.program.steps.size(), memory.arena_bytes, memory.lower_bound,
                                    bound == 0 ? 0 : 100 * (peak - bound) / bound);
}

std::string memory_text(const Plan& plan) {
  const MemoryPlan& memory = plan.training.compiled.memory;
  Table table({{"memory of this rank"}, {"bytes", right}, {"", right}});
  const auto add = [&](const std::string& what, std::int64_t bytes) {
    table.add_row({what, std::to_string(bytes), bytes_text(bytes)});
  };
  add("parameters", memory.parameter_bytes);
  add("optimizer state", memory.state_bytes);
  add("arena", plan.arena_bytes());
  if (plan.next_batch_bytes() > 0) add("next batch", plan.next_batch_bytes());
  add("total", plan.device_bytes());
  return table.text();
}

std::string parameters_text(const Program& program) {
  FoldedTable table({{"parameter"}, {"shape"}, {"layout"}, {"local shape"}, {"local bytes", right}});
  for (const Block& block : program.blocks)
    if (block.storage == Block::Storage::parameter && block.is_held)
      table.add_row(block.value->name,
                    {shape_text(block.value->form.shape), block.layout.text(block.operand.dims, program.mesh),
                     shape_text(block.operand.shape), std::to_string(block.bytes())});
  return table.text();
}

std::string tensors_text(const Program& program) {
  FoldedTable table(
      {{"tensor"}, {"kind"}, {"made by"}, {"times", right}, {"layout"}, {"local shape"}, {"local bytes", right}});
  for (const ArenaTensor& tensor : arena_tensors(program))
    table.add_row(tensor.name, {std::string(name_of(tensor.kind)), tensor.made_by, std::to_string(tensor.count),
                                tensor.block->layout.text(tensor.block->operand.dims, program.mesh),
                                shape_text(tensor.block->operand.shape), std::to_string(tensor.block->bytes())});
  return table.text();
}

std::string step_text(const StepPlan& step) {
  const Program& program = step.compiled.program;
  return flops_text(step) + "\n" + traffic_text(program) + "\n" + arena_text(step.compiled) + "\n" +
         tensors_text(program);
}

}  // namespace

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

std::string precision_text(const Plan& plan) {
  if (plan.activation != plan.real)
    return fmt::format("{} activations; {} parameters, their gradients and sums", name_of(plan.activation),
                       name_of(plan.real));
  return fmt::format("{}{}", name_of(plan.real), plan.tf32 ? " (products in TF32)" : "");
}

std::string batch_text(const Plan& plan) {
  const int micro_batches = plan.pipeline.micro_batches;
  std::string text = fmt::to_string(plan.global_batch);
  if (micro_batches > 1) text += fmt::format(" in {} micro-batches", micro_batches);
  if (plan.accumulation > 1) text += fmt::format(", {} of these to a step", plan.accumulation);
  return text;
}

std::string plan_text(const Plan& plan) {
  const Program& program = plan.training.compiled.program;
  std::string text = fmt::format("mesh          {} ({} ranks)\n", plan.mesh.text(), plan.mesh.size());
  text += fmt::format("rank          {} at {}\n", plan.rank, plan.mesh.coordinate_text(plan.rank));
  text += fmt::format("threads       {} a rank\n", plan.threads);
  text += fmt::format("global batch  {}\n", batch_text(plan));
  text += fmt::format("precision     {}\n", precision_text(plan));
  text += fmt::format("parameters    {} in the whole model\n", plan.parameters());
  text += "\n" + groups_text(plan);
  if (const std::string pipeline = pipeline_text(plan); !pipeline.empty()) text += "\n" + pipeline;
  text += "\n" + memory_text(plan) + "\n" + parameters_text(program);
  text += "\nTraining step\n\n" + step_text(plan.training);
  if (plan.evaluation != nullptr) text += "\nEvaluation step\n\n" + step_text(*plan.evaluation);
  return text;
}

}  // namespace ctrain
