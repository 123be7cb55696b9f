#include "runtime/plan_text.h"

#include <map>

#include "runtime/console/table.h"

namespace ctrain {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string parameters_text(const Program& program) {
  Table table({{"parameter"}, {"layout"}, {"local shape"}, {"bytes", Table::Align::right}});
  for (const Block& block : program.blocks)
    if (block.storage == Block::Storage::parameter)
      table.add_row({block.value->name, block.layout.text(block.operand.dims, program.mesh),
                     shape_text(block.operand.shape), std::to_string(block.bytes())});
  return table.text();
}

std::string describe(const Program& program, const Step& step) {
  const auto block = [&](BlockId id) -> const Block& { return program.blocks[static_cast<std::size_t>(id)]; };
  if (const auto* local = std::get_if<LocalStep>(&step)) return local->node.op;
  if (std::holds_alternative<CopyStep>(step)) return "copy";
  const auto& collective = std::get<CollectiveStep>(step);
  const BlockId sent = collective.input >= 0 ? collective.input : collective.output;
  return fmt::format("{} over {} of {} elements", name_of(collective.collective), program.mesh.name(collective.axis),
                     block(sent).operand.elements());
}

// Every step with what it writes.
std::string steps_text(const Program& program) {
  Table table({{"step", Table::Align::right}, {"phase"}, {"what"}, {"writes"}, {"layout"}, {"local shape"}});
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    BlockId written = -1;
    if (const auto* local = std::get_if<LocalStep>(&step)) {
      written = local->outputs[0];
    } else if (const auto* copy = std::get_if<CopyStep>(&step)) {
      written = copy->output;
    } else {
      written = std::get<CollectiveStep>(step).output;
    }
    std::string name, layout, shape;
    if (written >= 0) {
      const Block& block = program.blocks[static_cast<std::size_t>(written)];
      name = block.value == nullptr ? "(staging)" : block.value->name;
      layout = block.value == nullptr ? "" : block.layout.text(block.operand.dims, program.mesh);
      shape = shape_text(block.operand.shape);
    }
    const bool backward = program.first_backward > 0 && i >= program.first_backward;
    table.add_row({std::to_string(i), backward ? "backward" : "forward", describe(program, step), name, layout, shape});
  }
  return table.text();
}

std::string bytes_sent_text(const Program& program) {
  if (program.bytes_sent.empty()) return "none\n";
  Table table({{"collective"}, {"axis"}, {"bytes a step", Table::Align::right}});
  for (const auto& [key, bytes] : program.bytes_sent)
    table.add_row({std::string(name_of(key.first)), program.mesh.name(key.second), std::to_string(bytes)});
  return table.text();
}

}  // namespace

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

std::string plan_text(const Plan& plan) {
  const Program& program = plan.training.compiled.program;
  const MemoryPlan& memory = plan.training.compiled.memory;
  const double over = memory.lower_bound == 0
                          ? 0
                          : 100.0 *
                                (static_cast<double>(memory.arena_bytes) - static_cast<double>(memory.lower_bound)) /
                                static_cast<double>(memory.lower_bound);
  std::string text = fmt::format("mesh           {} ({} ranks)\n", plan.mesh.text(), plan.mesh.size());
  text += fmt::format("rank           {} at {}\n", plan.rank, plan.mesh.coordinate_text(plan.rank));
  text += fmt::format("element type   {}\n", name_of(plan.real));
  text += fmt::format("parameters     {} ({} on this rank)\n", plan.parameters(), bytes_text(memory.parameter_bytes));
  text += fmt::format("FLOPs a step   {:.6g} (all ranks)\n", program.flops);
  text += fmt::format("\nMemory of this rank (device)\n");
  text += fmt::format("  parameters   {}\n  optimizer    {}\n", bytes_text(memory.parameter_bytes),
                      bytes_text(memory.state_bytes));
  text += fmt::format("  arena        {} (peak {} bytes, lower bound {} bytes, {:.1f} % above it)\n",
                      bytes_text(plan.arena_bytes()), memory.arena_bytes, memory.lower_bound, over);
  text += fmt::format("  total        {}\n", bytes_text(plan.device_bytes()));
  text += "\nBytes sent by this rank\n" + bytes_sent_text(program);
  text += "\nParameters\n" + parameters_text(program);
  text += "\nTraining step\n" + steps_text(program);
  if (plan.evaluation != nullptr) text += "\nEvaluation step\n" + steps_text(plan.evaluation->compiled.program);
  return text;
}

}  // namespace ctrain
