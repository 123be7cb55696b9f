// layer_norm_fused, layer_norm_grad_fused: statistics and what is done with them, where a row is whole on this rank.
#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

bool is_last_dimension_whole(const LocalNode& node) {
  const Operand& rows = node.inputs[0];
  return rows.shape.back() == node.extent(rows.dims.back());
}

void fuse_forward(ProgramEditor& editor, std::size_t i) {
  const LocalStep& norm = *editor.local(i);
  const std::vector<BlockId> in = norm.inputs;  // x, sum, squares, weight, bias
  if (!is_last_dimension_whole(norm.node)) return;
  if (editor.producer(in[1], "layer_norm_sum") == nullptr || editor.producer(in[2], "layer_norm_squares") == nullptr)
    return;
  const std::ptrdiff_t squares = editor.writer(in[2]);
  for (const BlockId statistic : {in[1], in[2]})  // nobody but the squares may have read them before
    for (const std::size_t reader : editor.readers(statistic))
      if (reader < i && static_cast<std::ptrdiff_t>(reader) != squares) return;
  for (const BlockId statistic : {in[1], in[2]}) editor.remove(static_cast<std::size_t>(editor.writer(statistic)));
  editor.replace(i, "layer_norm_fused", {in[0], in[3], in[4]}, {norm.outputs[0], in[1], in[2]});
}

// Of a schedule that puts off the gradients of weights (zero bubble), this takes those of a layer norm along: they cost
// nothing beside dx.
void fuse_backward(ProgramEditor& editor, std::size_t i) {
  LocalStep& sums = *editor.local(i);
  const std::vector<BlockId> in = sums.inputs;  // dy, x, sum, squares, weight
  if (!is_last_dimension_whole(sums.node)) return;
  const auto same_operands = [&](const LocalStep& step) {
    return step.inputs.size() >= 4 && std::equal(in.begin(), in.begin() + 4, step.inputs.begin());
  };
  const auto over_rows = [](const LocalStep& step) {
    return step.node.outputs[0].dims == Names{step.node.inputs[0].dims.back()};
  };
  std::vector<BlockId> outputs;  // dx, dweight, dbias
  for (const std::ptrdiff_t part : {editor.reader_after(i, sums.outputs[0], "layer_norm_grad_input", same_operands),
                                    editor.reader_after(i, in[0], "layer_norm_grad_weight", same_operands),
                                    editor.reader_after(i, in[0], "sum", over_rows)}) {
    if (part < 0) return;
    outputs.push_back(editor.local(static_cast<std::size_t>(part))->outputs[0]);
  }
  for (const BlockId output : outputs) editor.remove(static_cast<std::size_t>(editor.writer(output)));
  sums.node.overwrites = 0;  // dx may take the memory of dy
  editor.replace(i, "layer_norm_grad_fused", in, outputs);
}

}  // namespace

void fuse_layer_norm(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i) {
    if (editor.local(i, "layer_norm") != nullptr) fuse_forward(editor, i);
    if (editor.local(i, "layer_norm_grad_sums") != nullptr) fuse_backward(editor, i);
  }
}

}  // namespace ctrain
