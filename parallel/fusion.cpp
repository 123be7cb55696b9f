#include "parallel/fusion.h"

#include <algorithm>

namespace ctrain {
namespace {

// Who writes and who reads each block, by position in the list of steps.
class Uses {
 public:
  explicit Uses(const Program& program) : readers_(program.blocks.size()), writers_(program.blocks.size()) {
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
      const Step& step = program.steps[i];
      if (const auto* local = std::get_if<LocalStep>(&step)) {
        for (const BlockId id : local->inputs) add(readers_, id, i);
        for (const BlockId id : local->outputs) add(writers_, id, i);
      } else if (const auto* copy = std::get_if<CopyStep>(&step)) {
        add(readers_, copy->input, i);
        add(writers_, copy->output, i);
      } else {
        add(readers_, std::get<CollectiveStep>(step).input, i);
        add(writers_, std::get<CollectiveStep>(step).output, i);
      }
    }
  }
  [[nodiscard]] const std::vector<std::size_t>& readers(BlockId id) const {
    return readers_[static_cast<std::size_t>(id)];
  }
  // The only step that writes the block, or -1.
  [[nodiscard]] std::ptrdiff_t writer(BlockId id) const {
    const auto& steps = writers_[static_cast<std::size_t>(id)];
    return steps.size() == 1 ? static_cast<std::ptrdiff_t>(steps[0]) : -1;
  }

 private:
  static void add(std::vector<std::vector<std::size_t>>& uses, BlockId id, std::size_t step) {
    if (id >= 0) uses[static_cast<std::size_t>(id)].push_back(step);
  }
  std::vector<std::vector<std::size_t>> readers_, writers_;
};

class Fuser {
 public:
  explicit Fuser(Program& program) : program_(program), uses_(program), gone_(program.steps.size(), false) {}

  void run() {
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const auto* local = std::get_if<LocalStep>(&program_.steps[i]);
      if (local == nullptr || gone_[i]) continue;
      if (local->node.op == "bias")
        fuse_linear(i);
      else if (local->node.op == "layer_norm")
        fuse_layer_norm(i);
      else if (local->node.op == "layer_norm_grad_sums")
        fuse_layer_norm_grad(i);
    }
    std::vector<Step> kept;
    auto segment = program_.segments.begin();
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      for (; segment != program_.segments.end() && segment->first == i; ++segment) segment->first = kept.size();
      if (!gone_[i]) kept.push_back(std::move(program_.steps[i]));
    }
    for (; segment != program_.segments.end(); ++segment) segment->first = kept.size();
    program_.steps = std::move(kept);
  }

 private:
  // The local step of this op that alone writes the block; nullptr where there is none.
  LocalStep* producer(BlockId id, const std::string& op) {
    const std::ptrdiff_t i = uses_.writer(id);
    if (i < 0 || gone_[static_cast<std::size_t>(i)]) return nullptr;
    auto* local = std::get_if<LocalStep>(&program_.steps[static_cast<std::size_t>(i)]);
    return local != nullptr && local->node.op == op ? local : nullptr;
  }
  // A step of this op among those that read the block after position `from`, such that `fits`.
  template <typename Fits>
  std::ptrdiff_t reader_after(std::size_t from, BlockId id, const std::string& op, Fits fits) {
    for (const std::size_t i : uses_.readers(id)) {
      if (i <= from || gone_[i]) continue;
      const auto* local = std::get_if<LocalStep>(&program_.steps[i]);
      if (local != nullptr && local->node.op == op && fits(*local)) return static_cast<std::ptrdiff_t>(i);
    }
    return -1;
  }
  LocalStep& local(std::size_t i) { return std::get<LocalStep>(program_.steps[i]); }
  [[nodiscard]] bool kept(BlockId id) const { return program_.blocks[static_cast<std::size_t>(id)].keep; }
  void remove(BlockId written) { gone_[static_cast<std::size_t>(uses_.writer(written))] = true; }

  // Makes step i one of `op` on these blocks; attributes, extents and indices stay those of the step.
  void replace(std::size_t i, const std::string& op, const std::vector<BlockId>& inputs,
               const std::vector<BlockId>& outputs) {
    LocalStep& step = local(i);
    step.node.op = op;
    step.inputs = inputs;
    step.outputs = outputs;
    const auto operands = [&](const std::vector<BlockId>& ids) {
      std::vector<Operand> result;
      for (const BlockId id : ids) result.push_back(program_.blocks[static_cast<std::size_t>(id)].operand);
      return result;
    };
    step.node.inputs = operands(inputs);
    step.node.outputs = operands(outputs);
  }

  static bool last_dimension_whole(const LocalNode& node, const Operand& operand) {
    return operand.shape.back() == node.extent(operand.dims.back());
  }

  void fuse_linear(std::size_t i) {
    const BlockId product = local(i).inputs[0], b = local(i).inputs[1];
    LocalStep* matmul = producer(product, "matmul");
    if (matmul == nullptr || matmul->node.accumulate || uses_.readers(product).size() != 1 || kept(product)) return;
    const Names &out = local(i).node.outputs[0].dims, &bias = local(i).node.inputs[1].dims;
    const Names& weight = matmul->node.inputs[1].dims;
    // The bias must lie along exactly the dimensions that the weight brings, the last ones of the output.
    if (bias.size() >= out.size() || !std::equal(bias.begin(), bias.end(), out.end() - bias.size())) return;
    for (const Name name : out)
      if (bias.contains(name) != weight.contains(name)) return;
    LocalNode node = matmul->node;
    local(i).flops = matmul->flops;
    const std::vector<BlockId> inputs{matmul->inputs[0], matmul->inputs[1], b};
    remove(product);
    local(i).node.attributes = node.attributes;
    local(i).node.overwrites = -1;
    replace(i, "linear", inputs, local(i).outputs);
  }

  void fuse_layer_norm(std::size_t i) {
    const std::vector<BlockId> in = local(i).inputs;  // x, sum, squares, weight, bias
    if (!last_dimension_whole(local(i).node, local(i).node.inputs[0])) return;
    if (producer(in[1], "layer_norm_sum") == nullptr || producer(in[2], "layer_norm_squares") == nullptr) return;
    for (const BlockId statistic : {in[1], in[2]})  // nobody but the squares may have read them before
      for (const std::size_t reader : uses_.readers(statistic))
        if (reader < i && static_cast<std::ptrdiff_t>(reader) != uses_.writer(in[2])) return;
    remove(in[1]);
    remove(in[2]);
    replace(i, "layer_norm_fused", {in[0], in[3], in[4]}, {local(i).outputs[0], in[1], in[2]});
  }

  void fuse_layer_norm_grad(std::size_t i) {
    const std::vector<BlockId> in = local(i).inputs;  // dy, x, sum, squares, weight
    const std::vector<BlockId> sums = local(i).outputs;
    if (!last_dimension_whole(local(i).node, local(i).node.inputs[0])) return;
    const auto same_operands = [&](const LocalStep& step) {
      return step.inputs.size() >= 4 && std::equal(in.begin(), in.begin() + 4, step.inputs.begin());
    };
    const std::ptrdiff_t input = reader_after(i, sums[0], "layer_norm_grad_input", same_operands);
    const std::ptrdiff_t weight = reader_after(i, in[0], "layer_norm_grad_weight", same_operands);
    const std::ptrdiff_t bias = reader_after(i, in[0], "sum", [&](const LocalStep& step) {
      return step.node.outputs[0].dims == Names{step.node.inputs[0].dims.back()};
    });
    if (input < 0 || weight < 0 || bias < 0) return;
    const std::vector<BlockId> outputs{local(static_cast<std::size_t>(input)).outputs[0],
                                       local(static_cast<std::size_t>(weight)).outputs[0],
                                       local(static_cast<std::size_t>(bias)).outputs[0]};
    for (const BlockId output : outputs) remove(output);
    replace(i, "layer_norm_grad_fused", in, outputs);
  }

  Program& program_;
  Uses uses_;
  std::vector<bool> gone_;
};

}  // namespace

void fuse(Program& program) { Fuser(program).run(); }

}  // namespace ctrain
