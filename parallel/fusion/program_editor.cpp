#include "parallel/fusion/program_editor.h"

#include <utility>

namespace ctrain {
namespace {

struct Touched {
  std::vector<BlockId> reads, writes;
};

Touched touched(const Step& step) {
  if (const auto* local = std::get_if<LocalStep>(&step)) return {local->inputs, local->outputs};
  if (const auto* copy = std::get_if<CopyStep>(&step)) return {{copy->input}, {copy->output}};
  const auto& collective = std::get<CollectiveStep>(step);
  return {{collective.input}, {collective.output}};
}

}  // namespace

ProgramEditor::ProgramEditor(Program& program)
    : program_(program),
      readers_(program.blocks.size()),
      writers_(program.blocks.size()),
      removed_(program.steps.size(), false) {
  for (std::size_t i = 0; i < program.steps.size(); ++i) note(i);
}

void ProgramEditor::note(std::size_t i) {
  const auto insert = [&](std::vector<std::vector<std::size_t>>& uses, BlockId id) {
    if (id < 0) return;
    auto& steps = uses[static_cast<std::size_t>(id)];
    steps.insert(std::upper_bound(steps.begin(), steps.end(), i), i);
  };
  const Touched blocks = touched(program_.steps[i]);
  for (const BlockId id : blocks.reads) insert(readers_, id);
  for (const BlockId id : blocks.writes) insert(writers_, id);
}

void ProgramEditor::forget(std::size_t i) {
  const auto erase = [&](std::vector<std::vector<std::size_t>>& uses, BlockId id) {
    if (id >= 0) std::erase(uses[static_cast<std::size_t>(id)], i);
  };
  const Touched blocks = touched(program_.steps[i]);
  for (const BlockId id : blocks.reads) erase(readers_, id);
  for (const BlockId id : blocks.writes) erase(writers_, id);
}

LocalStep* ProgramEditor::local(std::size_t i) {
  return removed_[i] ? nullptr : std::get_if<LocalStep>(&program_.steps[i]);
}
LocalStep* ProgramEditor::local(std::size_t i, const std::string& op) {
  LocalStep* step = local(i);
  return step != nullptr && step->node.op == op ? step : nullptr;
}

std::vector<std::size_t> ProgramEditor::readers(BlockId id) const { return readers_[static_cast<std::size_t>(id)]; }

std::ptrdiff_t ProgramEditor::writer(BlockId id) const {
  const auto& steps = writers_[static_cast<std::size_t>(id)];
  return steps.size() == 1 ? static_cast<std::ptrdiff_t>(steps[0]) : -1;
}

LocalStep* ProgramEditor::producer(BlockId id, const std::string& op) {
  const std::ptrdiff_t i = writer(id);
  return i < 0 ? nullptr : local(static_cast<std::size_t>(i), op);
}

bool ProgramEditor::same_segment(std::size_t i, std::size_t j) const {
  return program_.segment_of(i).first == program_.segment_of(j).first;
}

bool ProgramEditor::only_reader(BlockId id, std::size_t i) const {
  const std::ptrdiff_t from = writer(id);
  return from >= 0 && !is_kept(id) && readers(id) == std::vector{i} && same_segment(static_cast<std::size_t>(from), i);
}

namespace {

// Calls visit(uses) for the ascending positions of steps that have something to do with what a step touches: those that
// write what it reads, and those that read or write what it writes.
template <typename Uses, typename Visit>
void for_dependencies(const Step& step, const Uses& readers, const Uses& writers, const Visit& visit) {
  const Touched blocks = touched(step);
  const auto visit_uses = [&](const Uses& uses, const std::vector<BlockId>& ids) {
    for (const BlockId id : ids)
      if (id >= 0) visit(uses[static_cast<std::size_t>(id)]);
  };
  visit_uses(writers, blocks.reads);
  visit_uses(writers, blocks.writes);
  visit_uses(readers, blocks.writes);
}

}  // namespace

std::ptrdiff_t ProgramEditor::last_dependency(std::size_t i) const {
  std::ptrdiff_t last = -1;
  for_dependencies(program_.steps[i], readers_, writers_, [&](const std::vector<std::size_t>& uses) {
    const auto at = std::lower_bound(uses.begin(), uses.end(), i);
    if (at != uses.begin()) last = std::max(last, static_cast<std::ptrdiff_t>(*std::prev(at)));
  });
  return last;
}
std::size_t ProgramEditor::first_dependent(std::size_t i) const {
  std::size_t first = size();
  for_dependencies(program_.steps[i], readers_, writers_, [&](const std::vector<std::size_t>& uses) {
    const auto after = std::upper_bound(uses.begin(), uses.end(), i);
    if (after != uses.end()) first = std::min(first, *after);
  });
  return first;
}

void ProgramEditor::replace(std::size_t i, const std::string& op, const std::vector<BlockId>& inputs,
                            const std::vector<BlockId>& outputs) {
  forget(i);
  auto& step = std::get<LocalStep>(program_.steps[i]);
  step.node.op = op;
  step.inputs = inputs;
  step.outputs = outputs;
  const auto operands = [&](const std::vector<BlockId>& ids) {
    std::vector<Operand> result;
    for (const BlockId id : ids) result.push_back(block(id).operand);
    return result;
  };
  step.node.inputs = operands(inputs);
  step.node.outputs = operands(outputs);
  note(i);
}

void ProgramEditor::remove(std::size_t i) {
  forget(i);
  removed_[i] = true;
}

void ProgramEditor::absorb(std::size_t i, std::size_t part) {
  const LocalNode& from = std::get<LocalStep>(program_.steps[part]).node;
  LocalNode& to = std::get<LocalStep>(program_.steps[i]).node;
  to.segments.insert(from.segments.begin(), from.segments.end());
  to.extents.insert(from.extents.begin(), from.extents.end());
  remove(part);
}

void ProgramEditor::finish() {
  std::vector<Step> kept;
  auto segment = program_.segments.begin();
  for (std::size_t i = 0; i < program_.steps.size(); ++i) {
    for (; segment != program_.segments.end() && segment->first == i; ++segment) segment->first = kept.size();
    if (!removed_[i]) kept.push_back(std::move(program_.steps[i]));
  }
  for (; segment != program_.segments.end(); ++segment) segment->first = kept.size();
  program_.steps = std::move(kept);
}

}  // namespace ctrain
