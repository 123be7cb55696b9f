// linear_grad_weight: the gradients of a linear layer's weight and bias, which both sum the same gradient of its
// output.
#include "ops/gemm_groups.h"
#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

// Does this sum of one of the product's operands go over exactly what the product contracts?
bool sums_contracted(const LocalStep& sum, const LocalNode& product) {
  const EinsumNames names = einsum_names(product.inputs[0], product.inputs[1], product.outputs[0]);
  const Names& sums = sum.node.outputs[0].dims;
  if (!names.batch.empty() || sums.empty() || !(sums == names.rows || sums == names.columns)) return false;
  Names all = names.contracted;
  for (const Name name : sums) all.push_back(name);
  const Names& operand = sum.node.inputs[0].dims;
  return all.size() == operand.size() &&
         std::all_of(operand.begin(), operand.end(), [&](Name name) { return all.contains(name); });
}

// In the place of the product, where both its operands are there.
void fuse_sum(ProgramEditor& editor, std::size_t i) {
  LocalStep& matmul = *editor.local(i);
  if (matmul.node.accumulate) return;
  for (const BlockId operand : matmul.inputs)
    for (const std::size_t at : editor.readers(operand)) {
      const LocalStep* sum = editor.local(at, "sum");
      if (sum == nullptr || !editor.same_segment(i, at) || !sums_contracted(*sum, matmul.node)) continue;
      const BlockId sums = sum->outputs[0];
      const std::vector<std::size_t> readers = editor.readers(sums);
      if (editor.writer(sums) < 0 || (!readers.empty() && readers.front() < i)) continue;
      editor.absorb(i, at);
      editor.replace(i, "linear_grad_weight", std::vector(matmul.inputs), {matmul.outputs[0], sums});
      return;
    }
}

}  // namespace

void fuse_bias_gradient(ProgramEditor& editor) {
  for (std::size_t i = 0; i < editor.size(); ++i)
    if (editor.local(i, "matmul") != nullptr) fuse_sum(editor, i);
}

}  // namespace ctrain
