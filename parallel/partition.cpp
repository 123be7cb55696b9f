#include "parallel/partition.h"

#include "memory/error.h"
#include "parallel/lowering.h"
#include "parallel/pipeline/micro_batches.h"
#include "parallel/pipeline/stage_map.h"

namespace ctrain {
namespace {

Phase phase_of(Action action) {
  const bool forward =
      action == Action::forward || action == Action::send_activation || action == Action::receive_activation;
  return forward ? Phase::forward : Phase::backward;
}

class Partitioner {
 public:
  Partitioner(const Graph& graph, const Mode& mode, int rank, const PartitionOptions& options)
      : graph_(graph),
        mode_(mode),
        rank_(rank),
        options_(options),
        schedule_(options.schedule),
        stages_(graph, schedule_, options.first_blocks),
        timed_(with_micro_batches(mode, schedule_.micro_batches)),
        lowering_(graph, timed_, rank, options.seed, program_) {
    if (schedule_.stages == 1) return;
    axis_ = mode.mesh.axis(pipeline_axis);
    stage_ = mode.mesh.coordinate(rank, axis_);
    require(mode.mesh.size(axis_) == schedule_.stages, "a schedule of {} stages on the mesh {}", schedule_.stages,
            mode.mesh.text());
  }

  Program run() {
    for (const Value* parameter : graph_.parameters()) define(parameter, Block::Storage::parameter);
    for (const Value* state : graph_.states()) define(state, Block::Storage::state);
    for (const Stages& group : stages_.groups()) program_.groups.emplace_back(axis_, members_of(group));
    for (const Instruction& instruction : schedule_.ranks[static_cast<std::size_t>(stage_)]) execute(instruction);
    begin_segment(Phase::update, 0, 0);
    for (const Node* node : stages_.update_nodes())
      if (is_here(stages_.stages(node->outputs[0]))) update(*node);
    for (Value* value : options_.fetch) fetch(value);
    program_.mesh = mode_.mesh;
    program_.rank = rank_;
    return std::move(program_);
  }

 private:
  [[nodiscard]] bool is_here(const Stages& stages) const { return stages.contains(stage_); }
  [[nodiscard]] Members members_of(const Stages& stages) const {
    if (static_cast<int>(stages.size()) == schedule_.stages) return {};
    return {stages.begin(), stages.end()};
  }

  void define(const Value* value, Block::Storage storage) {
    const Stages& stages = stages_.stages(value);
    lowering_.define_persistent(value, storage, *stages.begin(), is_here(stages));
  }

  void begin_segment(Phase phase, int position, int micro_batch) {
    program_.segments.push_back({program_.steps.size(), phase, position, micro_batch});
  }

  // ---- the schedule ----------------------------------------------------------------------------------------------
  void execute(const Instruction& instruction) {
    const int position = schedule_.position({stage_, instruction.chunk});
    begin_segment(phase_of(instruction.action), position, instruction.micro_batch);
    lowering_.enter(instruction.micro_batch);
    switch (instruction.action) {
      case Action::send_activation:
        return hand_over(stages_.activations_after(position), position, position + 1);
      case Action::receive_activation:
        return hand_over(stages_.activations_after(position - 1), position - 1, position);
      case Action::send_gradient:
        return hand_over(stages_.gradients_before(position), position, position - 1);
      case Action::receive_gradient:
        return hand_over(stages_.gradients_before(position + 1), position + 1, position);
      default:
        break;
    }
    // Stored activations stay what the home layouts say: copies in others are not kept for the backward pass, nor for
    // the next micro-batch.
    if (!options_.keep_gathered) lowering_.forget_copies();
    for (const Node* node : stages_.main_nodes(position, instruction.action)) {
      for (const Value* input : node->inputs) demand(input);
      lowering_.lower(*node);
    }
  }

  // The values of the entered micro-batch go from the part of the model at one position to the part at another, on
  // another stage.
  void hand_over(const std::vector<const Value*>& values, int from, int to) {
    const int sender = schedule_.place(from).rank, receiver = schedule_.place(to).rank;
    for (const Value* value : values) {
      send(value, transfer_layout(value), {sender, receiver}, sender);
      if (stage_ == receiver) lowering_.set(value, lowering_.in_layout(value, lowering_.table_layout(value)));
    }
  }

  // No two ranks of a tensor group send the same, where a dimension divides.
  [[nodiscard]] Layout transfer_layout(const Value* value) const {
    Layout layout = lowering_.table_layout(value);
    if (!options_.scatter_gather) return layout;
    const Mesh& mesh = timed_.mesh;
    for (std::size_t i = 0; i < mode_.mesh.axes().size(); ++i) {
      const auto axis = static_cast<Axis>(i);
      if (mesh.size(axis) == 1 || axis == axis_ || axis == mesh.axis("data") || layout.uses(axis)) continue;
      for (const Name name : value->dims) {
        const Axes split = layout.of(value->dims, name).with(axis);
        if (name == Name{'b'} || program_.dimensions.padded(name) % mesh.size(split) != 0) continue;
        layout.of(value->dims, name) = split;
        break;
      }
    }
    return layout;
  }

  // A broadcast from `root`, a stage, to the others of a group.
  BlockId send(const Value* value, const Layout& layout, const Stages& group, int root) {
    CollectiveStep step{.collective = Collective::broadcast, .axis = axis_, .members = members_of(group)};
    step.root = static_cast<int>(std::distance(group.begin(), group.find(root)));
    BlockId block = -1;
    if (stage_ == root) {
      block = step.input = lowering_.in_layout(value, layout);
    } else {
      block = step.output = lowering_.builder().add_block(value, value->dims, value->dtype, layout);
      lowering_.set(value, block);
    }
    lowering_.builder().collective(step);
    return block;
  }

  // ---- shared nodes ----------------------------------------------------------------------------------------------
  // Makes a value that a main node reads, where it is not there yet; a sum over the batch in all micro-batches.
  void demand(const Value* value) {
    if (lowering_.is_made(value)) return;
    require(value->producer != nullptr && !stages_.is_main(*value->producer), "{} is read before it is made",
            value->name);
    make(*value->producer, is_over_batch(*value));
  }

  void make(const Node& node, bool this_micro_batch_only) {
    const int entered = lowering_.micro_batch();
    const bool once = !is_over_batch(node) || this_micro_batch_only;
    const int first = once ? entered : 0, last = once ? entered : schedule_.micro_batches - 1;
    for (int micro_batch = first; micro_batch <= last; ++micro_batch) {
      lowering_.enter(micro_batch);
      for (const Value* input : node.inputs) demand(input);
      lowering_.lower(node);
    }
    lowering_.enter(entered);
  }

  // ---- updates ---------------------------------------------------------------------------------------------------
  void update(const Node& node) {
    if (!stages_.joins_stages(node)) return make(node, false);
    std::vector<Value*> own;
    for (Value* operand : node.inputs)
      if (stages_.bringer(operand) == stage_) own.push_back(operand);
    require(!own.empty(), "stage {} has no part in {}", stage_, node.name);
    const Value* sum = node.outputs[0];
    const BlockId part = lowering_.lower_own_sum(node, own);
    ProgramBuilder& builder = lowering_.builder();
    const BlockId whole = builder.add_block(sum, sum->dims, sum->dtype, Layout(builder.block(part).layout));
    builder.collective({.collective = Collective::all_reduce,
                        .axis = axis_,
                        .input = part,
                        .output = whole,
                        .members = members_of(stages_.stages(sum))});
    lowering_.set(sum, whole);
  }

  void fetch(Value* value) {
    const Stages& here = stages_.stages(value);
    const bool on_all = static_cast<int>(here.size()) == schedule_.stages;
    const bool as_parameter = value->kind == Value::Kind::parameter || value->like != nullptr;
    if (as_parameter && !is_here(here)) return;
    if (as_parameter || on_all) {
      if (!lowering_.is_made(value)) demand(value);
      keep(value, lowering_.in_layout(value, lowering_.home(value)));
      return;
    }
    Stages line;
    for (int stage = 0; stage < schedule_.stages; ++stage) line.insert(stage);
    keep(value, send(value, lowering_.table_layout(value), line, *here.begin()));
  }

  void keep(const Value* value, BlockId block) {
    program_.blocks[static_cast<std::size_t>(block)].keep = true;
    program_.kept[value] = block;
  }

  const Graph& graph_;
  const Mode& mode_;
  int rank_, stage_ = 0;
  const PartitionOptions& options_;
  const Schedule& schedule_;
  StageMap stages_;
  Mode timed_;
  Axis axis_ = 0;  // of the stages
  Program program_;
  Lowering lowering_;
};

}  // namespace

Program partition(const Graph& graph, const Mode& mode, int rank, const PartitionOptions& options) {
  return Partitioner(graph, mode, rank, options).run();
}

}  // namespace ctrain
