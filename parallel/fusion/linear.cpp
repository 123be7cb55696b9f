// linear: a product and the bias over its columns.
#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

void fuse_bias(ProgramEditor& editor, std::size_t i) {
  LocalStep& bias = *editor.local(i);
  const BlockId product = bias.inputs[0];
  const LocalStep* matmul = editor.producer(product, "matmul");
  if (matmul == nullptr || matmul->node.accumulate || editor.is_kept(product) || editor.readers(product).size() != 1)
    return;
  // The bias must lie along exactly the dimensions that the weight brings, the last ones of the output.
  const Names &out = bias.node.outputs[0].dims, &columns = bias.node.inputs[1].dims;
  const Names& weight = matmul->node.inputs[1].dims;
  if (columns.size() >= out.size() || !std::equal(columns.begin(), columns.end(), out.end() - columns.size())) return;
  for (const Name name : out)
    if (columns.contains(name) != weight.contains(name)) return;
  bias.flops = matmul->flops;
  bias.node.attributes = matmul->node.attributes;
  bias.node.overwrites = -1;
  const std::vector<BlockId> inputs{matmul->inputs[0], matmul->inputs[1], bias.inputs[1]};
  editor.remove(static_cast<std::size_t>(editor.writer(product)));
  editor.replace(i, "linear", inputs, bias.outputs);
}

}  // namespace

void fuse_linear(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i)
    if (editor.local(i, "bias") != nullptr) fuse_bias(editor, i);
}

}  // namespace ctrain
