// linear_gelu, matmul_gelu_grad: a product next to a GELU by tanh or its derivative. The exact GELU stays apart: no
// library has it in a product (ops/cuda/gemm.cpp).
#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

bool is_gelu(const LocalStep* step) { return step != nullptr && step->node.attributes.text("kind") == "gelu_tanh"; }

// In the place of the linear layer: what reads its output u, which is kept for that, comes later.
void fuse_forward(ProgramEditor& editor, std::size_t i) {
  const LocalStep& gelu = *editor.local(i);
  const BlockId u = gelu.inputs[0], y = gelu.outputs[0];
  LocalStep* linear = editor.producer(u, "linear");
  if (linear == nullptr) return;
  const auto at = static_cast<std::size_t>(editor.writer(u));
  if (!editor.same_segment(i, at)) return;
  std::vector<BlockId> outputs{y};
  if (!editor.only_reader(u, i)) outputs.push_back(u);
  linear->node.attributes = gelu.node.attributes;
  editor.absorb(at, i);
  editor.replace(at, "linear_gelu", std::vector(linear->inputs), outputs);
}

void fuse_backward(ProgramEditor& editor, std::size_t i) {
  LocalStep& gradient = *editor.local(i);
  const BlockId u = gradient.inputs[0], dy = gradient.inputs[1];
  const LocalStep* matmul = editor.only_reader(dy, i) ? editor.producer(dy, "matmul") : nullptr;
  if (matmul == nullptr || matmul->node.accumulate) return;
  const std::vector<BlockId> inputs{matmul->inputs[0], matmul->inputs[1], u};
  gradient.flops += matmul->flops;
  gradient.node.overwrites = -1;
  editor.absorb(i, static_cast<std::size_t>(editor.writer(dy)));
  editor.replace(i, "matmul_gelu_grad", inputs, gradient.outputs);
}

}  // namespace

void fuse_gelu(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i) {
    if (is_gelu(editor.local(i, "activation"))) fuse_forward(editor, i);
    if (is_gelu(editor.local(i, "activation_grad"))) fuse_backward(editor, i);
  }
}

}  // namespace ctrain
