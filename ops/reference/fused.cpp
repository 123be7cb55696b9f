// What a fusion makes of several ops, composed of the kernels of its parts. They are no ops of the logical graph.
//   linear                  x, w, b -> x w + b
//   layer_norm_fused        x, weight, bias -> y, sum, squares
//   layer_norm_grad_fused   dy, x, sum, squares, weight -> dx, dweight, dbias
#include <algorithm>
#include <array>

#include "memory/error.h"
#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

// A kernel that runs others in order. Operands are numbered: the node's inputs, its outputs, then temporaries.
class Composition {
 public:
  explicit Composition(const LocalNode& node) : node_(node), operands_(node.inputs), inputs_(node.inputs.size()) {
    operands_.insert(operands_.end(), node.outputs.begin(), node.outputs.end());
  }

  Composition& temporary(const Operand& like) {
    operands_.push_back(like);
    return *this;
  }
  Composition& then(const std::string& op, const std::vector<std::size_t>& inputs,
                    const std::vector<std::size_t>& outputs) {
    LocalNode node = node_;
    node.op = op;
    node.inputs.clear();
    node.outputs.clear();
    for (const std::size_t i : inputs) node.inputs.push_back(operands_[i]);
    for (const std::size_t i : outputs) node.outputs.push_back(operands_[i]);
    parts_.push_back({KernelTable::instance().make(Backend::reference, node), inputs, outputs});
    return *this;
  }

  // The parts share one workspace; the temporaries stand behind it.
  [[nodiscard]] Kernel kernel() const {
    std::size_t shared = 0;
    for (const Part& part : parts_) shared = std::max(shared, (part.kernel.workspace + 63) / 64 * 64);
    std::vector<std::size_t> temporaries;
    std::size_t workspace = shared;
    for (std::size_t i = inputs_ + node_.outputs.size(); i < operands_.size(); ++i) {
      temporaries.push_back(workspace);
      workspace += static_cast<std::size_t>(operands_[i].elements()) * size_of(operands_[i].dtype);
    }
    require(operands_.size() <= most, "a fused kernel of {} operands", operands_.size());
    const auto run = [parts = parts_, temporaries](const Invocation& call) {
      std::array<void*, most> all{}, in{}, out{};
      auto end = std::copy(call.inputs.begin(), call.inputs.end(), all.begin());
      end = std::copy(call.outputs.begin(), call.outputs.end(), end);
      for (const std::size_t offset : temporaries) *end++ = static_cast<std::byte*>(call.workspace) + offset;
      for (const Part& part : parts) {
        for (std::size_t i = 0; i < part.inputs.size(); ++i) in[i] = all[part.inputs[i]];
        for (std::size_t i = 0; i < part.outputs.size(); ++i) out[i] = all[part.outputs[i]];
        part.kernel.run(
            {{in.data(), part.inputs.size()}, {out.data(), part.outputs.size()}, call.workspace, call.state});
      }
    };
    return {run, workspace};
  }

 private:
  static constexpr std::size_t most = 16;
  struct Part {
    Kernel kernel;
    std::vector<std::size_t> inputs, outputs;
  };
  LocalNode node_;
  std::vector<Operand> operands_;
  std::size_t inputs_;
  std::vector<Part> parts_;
};

Kernel linear(const LocalNode& node) {
  require(!node.accumulate, "linear adds its bias once: it cannot accumulate");
  return Composition(node).then("matmul", {0, 1}, {3}).then("bias", {3, 2}, {3}).kernel();
}

Kernel layer_norm(const LocalNode& node) {
  return Composition(node)
      .then("layer_norm_sum", {0}, {4})
      .then("layer_norm_squares", {0, 4}, {5})
      .then("layer_norm", {0, 4, 5, 1, 2}, {3})
      .kernel();
}

Kernel layer_norm_grad(const LocalNode& node) {
  const Operand& row_sums = node.inputs[2];
  return Composition(node)
      .temporary(row_sums)
      .temporary(row_sums)
      .then("layer_norm_grad_sums", {0, 1, 2, 3, 4}, {8, 9})
      .then("layer_norm_grad_input", {0, 1, 2, 3, 4, 8, 9}, {5})
      .then("layer_norm_grad_weight", {0, 1, 2, 3}, {6})
      .then("sum", {0}, {7})
      .kernel();
}

const ReferenceKernel linear_kernel("linear", []<typename>() { return linear; });
const ReferenceKernel norm_kernel("layer_norm_fused", []<typename>() { return layer_norm; });
const ReferenceKernel norm_grad_kernel("layer_norm_grad_fused", []<typename>() { return layer_norm_grad; });

}  // namespace
}  // namespace ctrain::reference
