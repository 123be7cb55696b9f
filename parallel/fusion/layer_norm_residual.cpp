// A residual and the layer norm beside it: layer_norm_fused adds up its input itself where that is a sum of two, which
// stays its output; layer_norm_grad_fused adds the gradient that comes round the layer norm.
#include <utility>

#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

void fuse_forward(ProgramEditor& editor, std::size_t i) {
  LocalStep& norm = *editor.local(i);
  const std::vector<BlockId> in = norm.inputs, out = norm.outputs;  // x, weight, bias; y, sum, squares
  const LocalStep* add = editor.producer(in[0], "add");
  if (in.size() != 3 || add == nullptr || add->inputs.size() != 2) return;
  const auto position = static_cast<std::size_t>(editor.writer(in[0]));
  if (editor.readers(in[0]).front() < i || !editor.same_segment(position, i)) return;
  BlockId x = add->inputs[0], residual = add->inputs[1];
  // The residual is needed longer, as a rule: the sum, which is too, may take the memory of what is not.
  if (editor.is_kept(x) || editor.readers(x).back() > i) std::swap(x, residual);
  norm.node.overwrites = 0;
  norm.node.overwriting = 3;
  editor.remove(position);
  editor.replace(i, norm.node.op, {x, in[1], in[2], residual}, {out[0], out[1], out[2], in[0]});
}

void fuse_backward(ProgramEditor& editor, std::size_t i) {
  LocalStep& grad = *editor.local(i);
  std::vector<BlockId> in = grad.inputs, out = grad.outputs;  // dy, x, sum, squares, weight; dx, dweight, dbias
  const std::vector<std::size_t> readers = editor.readers(out[0]);
  if (in.size() != 5 || editor.is_kept(out[0]) || readers.size() != 1) return;
  const LocalStep* add = editor.local(readers[0], "add");
  if (add == nullptr || add->inputs.size() != 2 || !editor.same_segment(i, readers[0])) return;
  const BlockId residual = add->inputs[add->inputs[0] == out[0] ? 1 : 0];
  if (const std::ptrdiff_t writer = editor.writer(residual); writer < 0 || writer > static_cast<std::ptrdiff_t>(i))
    return;
  out[0] = add->outputs[0];
  grad.node.overwrites = static_cast<int>(in.size());
  in.push_back(residual);
  editor.remove(readers[0]);
  editor.replace(i, grad.node.op, in, out);
}

}  // namespace

void fuse_layer_norm_residual(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i) {
    if (editor.local(i, "layer_norm_fused") != nullptr) fuse_forward(editor, i);
    if (editor.local(i, "layer_norm_grad_fused") != nullptr) fuse_backward(editor, i);
  }
}

}  // namespace ctrain
