// linear_residual: a linear layer and the sum of a residual stream behind it.
#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

void fuse_sum(ProgramEditor& editor, std::size_t i) {
  LocalStep& add = *editor.local(i);
  if (add.inputs.size() != 2) return;
  for (const std::size_t term : {0U, 1U}) {
    const BlockId product = add.inputs[term], residual = add.inputs[1 - term];
    const LocalStep* linear = editor.only_reader(product, i) ? editor.producer(product, "linear") : nullptr;
    if (linear == nullptr) continue;
    const std::vector<BlockId> inputs{linear->inputs[0], linear->inputs[1], linear->inputs[2], residual};
    add.flops += linear->flops;
    add.node.overwrites = 3;
    editor.absorb(i, static_cast<std::size_t>(editor.writer(product)));
    editor.replace(i, "linear_residual", inputs, add.outputs);
    return;
  }
}

}  // namespace

void fuse_residual(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i)
    if (editor.local(i, "add") != nullptr) fuse_sum(editor, i);
}

}  // namespace ctrain
