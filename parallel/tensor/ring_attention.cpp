#include "parallel/tensor/ring_attention.h"

namespace ctrain {
namespace {

// The names under which a kernel knows the tokens of a travelling block, and its two parts k and v.
constexpr Name tokens{'s', 1}, parts{'t', 1};

class Ring {
 public:
  Ring(ProgramBuilder& builder, const Node& node, Axis axis, const Assignment& assignment)
      : builder_(builder), node_(node), axis_(axis), assignment_(assignment), size_(builder.mesh().size(axis)) {}

  [[nodiscard]] int size() const { return size_; }

  // Keys and values of a packed [b, s, t, n, d] as one contiguous block [b, s, k|v, n, d].
  BlockId pack(BlockId qkv) {
    const BlockId kv = travelling(qkv);
    builder_.copy({.copy = {.loops = {{rows(qkv), 3 * part(qkv), 2 * part(qkv)}, {2 * part(qkv), 1, 1}},
                            .from_offset = part(qkv)},
                   .input = qkv,
                   .output = kv});
    return kv;
  }
  void unpack(BlockId kv, BlockId qkv) {
    builder_.copy(
        {.copy = {.loops = {{rows(qkv), 2 * part(qkv), 3 * part(qkv)}, {2 * part(qkv), 1, 1}}, .to_offset = part(qkv)},
         .input = kv,
         .output = qkv});
  }
  BlockId travelling(BlockId qkv) {
    Operand operand = builder_.block(qkv).operand;
    operand.dims = Names{Name{'b'}, tokens, parts, Name{'n'}, Name{'d'}};
    operand.shape[2] = 2;
    return builder_.add_staging(operand);
  }

  // The block of the rank before this one, which gets ours.
  BlockId shift(BlockId block) {
    const BlockId next = builder_.add_staging(Operand(builder_.block(block).operand));
    builder_.collective({.collective = Collective::shift, .axis = axis_, .input = block, .output = next});
    return next;
  }

  // The kernel on what has come after `turn` shifts; results of turns after the first are added to those before.
  void step(const std::string& op, int turn, const std::vector<BlockId>& inputs, BlockId kv,
            const std::vector<BlockId>& outputs, BlockId travelling_output) {
    LocalStep step = builder_.make_step(node_, assignment_, inputs, outputs);
    step.node.op = op;
    step.node.accumulate = turn > 0;
    step.inputs.push_back(kv);
    step.node.inputs.push_back(builder_.block(kv).operand);
    if (travelling_output >= 0) {
      step.outputs.push_back(travelling_output);
      step.node.outputs.push_back(builder_.block(travelling_output).operand);
    }
    const int origin = (builder_.coordinate(axis_) - turn + size_) % size_;
    step.node.segments[tokens] = builder_.segments_of_block({'s'}, size_, origin);
    step.node.extents[tokens] = step.node.extents.at({'s'});
    step.node.segments[parts].runs[0] = {0, 2};
    step.node.extents[parts] = 2;
    builder_.append(std::move(step));
  }

 private:
  [[nodiscard]] std::int64_t rows(BlockId qkv) const {
    const auto& shape = builder_.block(qkv).operand.shape;
    return shape[0] * shape[1];
  }
  [[nodiscard]] std::int64_t part(BlockId qkv) const {
    const auto& shape = builder_.block(qkv).operand.shape;
    return shape[3] * shape[4];
  }

  ProgramBuilder& builder_;
  const Node& node_;
  Axis axis_;
  const Assignment& assignment_;
  int size_;
};

}  // namespace

void append_ring_attention(ProgramBuilder& builder, const Node& node, Axis ring, const Assignment& assignment,
                           const std::vector<BlockId>& inputs, const std::vector<BlockId>& outputs) {
  Ring round(builder, node, ring, assignment);
  BlockId kv = round.pack(inputs[0]);
  for (int turn = 0; turn < round.size(); ++turn) {
    if (turn > 0) kv = round.shift(kv);
    round.step("ring_attention", turn, inputs, kv, outputs, -1);
  }
}

void append_ring_attention_grad(ProgramBuilder& builder, const Node& node, Axis ring, const Assignment& assignment,
                                const std::vector<BlockId>& inputs, const std::vector<BlockId>& outputs) {
  Ring round(builder, node, ring, assignment);
  BlockId kv = round.pack(inputs[0]), gradient = round.travelling(inputs[0]);
  for (int turn = 0; turn < round.size(); ++turn) {
    if (turn > 0) kv = round.shift(kv);
    round.step("ring_attention_grad", turn, inputs, kv, outputs, gradient);
    gradient = round.shift(gradient);
  }
  round.unpack(gradient, outputs[0]);
}

}  // namespace ctrain
