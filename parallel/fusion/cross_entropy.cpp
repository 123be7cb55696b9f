// cross_entropy_fused: what a softmax cross-entropy and its accuracy need of each row of logits, where the classes are
// whole on this rank.
#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

struct Parts {
  std::vector<std::size_t> steps;  // whose place the fused one takes
  std::vector<BlockId> outputs;
};

// class_place and correct of the same logits and labels, with a maximum of their own or with the loss's.
void add_accuracy(ProgramEditor& editor, std::size_t from, BlockId x, BlockId labels, Parts& parts) {
  const auto any = [](const LocalStep&) { return true; };
  const std::ptrdiff_t at = editor.reader_after(from, x, "class_place", any);
  if (at < 0) return;
  const LocalStep& place = *editor.local(static_cast<std::size_t>(at));
  const BlockId maximum = place.inputs[1], first = place.outputs[0];
  const std::ptrdiff_t correct = editor.reader_after(static_cast<std::size_t>(at), first, "correct",
                                                     [&](const LocalStep& step) { return step.inputs[1] == labels; });
  if (correct < 0 || editor.readers(first).size() != 1 || editor.is_kept(first)) return;
  if (maximum != parts.outputs[1]) {
    const LocalStep* own = editor.producer(maximum, "class_max");
    if (own == nullptr || own->inputs[0] != x || editor.readers(maximum).size() != 1 || editor.is_kept(maximum)) return;
    parts.steps.push_back(static_cast<std::size_t>(editor.writer(maximum)));
  }
  parts.steps.insert(parts.steps.end(), {static_cast<std::size_t>(at), static_cast<std::size_t>(correct)});
  parts.outputs.push_back(editor.local(static_cast<std::size_t>(correct))->outputs[0]);
}

void fuse_loss(ProgramEditor& editor, std::size_t i) {
  const LocalStep& loss = *editor.local(i);
  const BlockId m = loss.inputs[0], e = loss.inputs[1], t = loss.inputs[2], labels = loss.inputs[3];
  const LocalStep *max = editor.producer(m, "class_max"), *sum_exp = editor.producer(e, "class_sum_exp");
  const LocalStep* target = editor.producer(t, "class_target");
  if (max == nullptr || sum_exp == nullptr || target == nullptr) return;
  const BlockId x = max->inputs[0];
  if (sum_exp->inputs != std::vector{x, m} || target->inputs != std::vector{x, labels}) return;
  const Operand& logits = target->node.inputs[0];
  if (logits.shape.back() != target->node.extent(logits.dims.back())) return;
  if (editor.readers(t).size() != 1 || editor.is_kept(t)) return;

  // Logits and labels are there where the target is; nobody else may want the statistics before.
  const auto at = static_cast<std::size_t>(editor.writer(t)), sum = static_cast<std::size_t>(editor.writer(e));
  for (const BlockId statistic : {m, e})
    for (const std::size_t reader : editor.readers(statistic))
      if (reader < at && reader != sum) return;
  Parts parts{{static_cast<std::size_t>(editor.writer(m)), sum, i}, {loss.outputs[0], m, e}};
  add_accuracy(editor, at, x, labels, parts);
  for (const std::size_t step : parts.steps) editor.remove(step);
  editor.replace(at, "cross_entropy_fused", {x, labels}, parts.outputs);
}

}  // namespace

void fuse_cross_entropy(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i)
    if (editor.local(i, "class_nll") != nullptr) fuse_loss(editor, i);
}

}  // namespace ctrain
