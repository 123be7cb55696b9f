#include "ops/composition.h"

#include <algorithm>
#include <array>
#include <utility>

#include "memory/arena_planner.h"
#include "memory/error.h"

namespace ctrain {
namespace {

constexpr std::size_t most = 16;  // operands, so that a run needs no memory of its own

std::size_t aligned(std::size_t bytes) { return static_cast<std::size_t>(align_up(static_cast<std::int64_t>(bytes))); }

}  // namespace

Composition::Composition(const LocalNode& node, Backend backend)
    : node_(node), backend_(backend), operands_(node.inputs) {
  operands_.insert(operands_.end(), node.outputs.begin(), node.outputs.end());
}

Composition& Composition::temporary(const Operand& like) {
  operands_.push_back(like);
  return *this;
}

Composition& Composition::then(const std::string& op, const std::vector<std::size_t>& inputs,
                               const std::vector<std::size_t>& outputs) {
  LocalNode node = node_;
  node.op = op;
  return append(std::move(node), inputs, outputs);
}

Composition& Composition::then_add(const std::string& op, const std::vector<std::size_t>& inputs, std::size_t output) {
  LocalNode node = node_;
  node.op = op;
  node.accumulate = true;
  return append(std::move(node), inputs, {output});
}

Composition& Composition::append(LocalNode node, const std::vector<std::size_t>& inputs,
                                 const std::vector<std::size_t>& outputs) {
  node.inputs.clear();
  node.outputs.clear();
  for (const std::size_t i : inputs) node.inputs.push_back(operands_[i]);
  for (const std::size_t i : outputs) node.outputs.push_back(operands_[i]);
  parts_.push_back({KernelTable::instance().make(backend_, node), inputs, outputs});
  return *this;
}

Kernel Composition::kernel() const {
  require(operands_.size() <= most, "a composition of {} operands", operands_.size());
  std::size_t workspace = 0;
  for (const Part& part : parts_) workspace = std::max(workspace, aligned(part.kernel.workspace));
  std::vector<std::size_t> temporaries;
  for (std::size_t i = node_.inputs.size() + node_.outputs.size(); i < operands_.size(); ++i) {
    temporaries.push_back(workspace);
    workspace += aligned(static_cast<std::size_t>(operands_[i].elements()) * size_of(operands_[i].dtype));
  }
  const auto run = [parts = parts_, temporaries](const Invocation& call) {
    std::array<void*, most> all{}, in{}, out{};
    auto end = std::copy(call.inputs.begin(), call.inputs.end(), all.begin());
    end = std::copy(call.outputs.begin(), call.outputs.end(), end);
    for (const std::size_t offset : temporaries) *end++ = static_cast<std::byte*>(call.workspace) + offset;
    for (const Part& part : parts) {
      for (std::size_t i = 0; i < part.inputs.size(); ++i) in[i] = all[part.inputs[i]];
      for (std::size_t i = 0; i < part.outputs.size(); ++i) out[i] = all[part.outputs[i]];
      part.kernel.run({{in.data(), part.inputs.size()},
                       {out.data(), part.outputs.size()},
                       call.workspace,
                       call.state,
                       call.stream});
    }
  };
  return {run, workspace};
}

}  // namespace ctrain
