#include "parallel/pipeline/stage_map.h"

#include <algorithm>
#include <unordered_set>

#include "memory/error.h"
#include "ops/op.h"
#include "parallel/pipeline/micro_batches.h"

namespace ctrain {
namespace {

bool makes_parameter_gradients(const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [](const Value* value) { return value->like != nullptr && !is_over_batch(*value); });
}

template <typename Set, typename Value>
bool any_in(const Set& set, const std::vector<Value*>& values) {
  return std::any_of(values.begin(), values.end(), [&](const Value* value) { return set.contains(value); });
}

}  // namespace

StageMap::StageMap(const Graph& graph, const Schedule& schedule, std::vector<int> first_blocks)
    : schedule_(&schedule), first_blocks_(std::move(first_blocks)) {
  const auto positions = static_cast<std::size_t>(schedule.positions());
  require(first_blocks_.size() == positions, "{} first blocks for {} parts", first_blocks_.size(), positions);
  parts_.resize(positions);
  activations_.resize(positions);
  gradients_.resize(positions);
  classify(graph);
  find_boundaries(graph);
  place_updates(graph);
}

int StageMap::position_of_block(int block) const {
  const auto after = std::upper_bound(first_blocks_.begin(), first_blocks_.end(), block);
  return static_cast<int>(after - first_blocks_.begin()) - 1;
}

void StageMap::classify(const Graph& graph) {
  std::unordered_set<const Value*> from_inputs, from_main;
  for (const Value* input : graph.inputs())
    if (!input->wants_gradient) from_inputs.insert(input);
  for (const Node& node : graph.nodes()) {
    const bool early = std::all_of(node.inputs.begin(), node.inputs.end(),
                                   [&](const Value* input) { return from_inputs.contains(input); });
    if (early) from_inputs.insert(node.outputs.begin(), node.outputs.end());
    if ((!early && is_over_batch(node)) || any_in(from_main, node.inputs))
      from_main.insert(node.outputs.begin(), node.outputs.end());
  }
  std::size_t i = graph.nodes().size();
  std::unordered_map<const Value*, Stages> needed;
  for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
    --i;
    NodeInfo& info = info_[&*node];
    info.backward = graph.first_backward() > 0 && i >= graph.first_backward();
    for (const Value* output : node->outputs)
      if (const auto it = needed.find(output); it != needed.end())
        info.needed.insert(it->second.begin(), it->second.end());
    const bool main = any_in(from_main, node->outputs) && (is_over_batch(*node) || !info.needed.empty());
    if (main) {
      info.position = position_of_block(node->block);
      info.needed = {schedule_->place(info.position).rank};
    }
    for (const Value* input : node->inputs) needed[input].insert(info.needed.begin(), info.needed.end());
  }
  for (const Node& node : graph.nodes()) {
    const NodeInfo& info = info_[&node];
    if (info.position >= 0) {
      Part& part = parts_[static_cast<std::size_t>(info.position)];
      (info.backward ? part.backward : part.forward).push_back(&node);
      if (info.backward)
        (makes_parameter_gradients(node) ? part.backward_weight : part.backward_input).push_back(&node);
    } else if (info.needed.empty()) {
      update_nodes_.push_back(&node);
    }
    for (const Value* output : node.outputs) stages_[output] = info.needed;
  }
  Stages all;
  for (int stage = 0; stage < schedule_->stages; ++stage) all.insert(stage);
  for (const Value* input : graph.inputs()) stages_[input] = all;
  for (const Value* value : from_inputs) stages_[value] = all;
  for (const Value* parameter : graph.parameters()) {
    stages_[parameter] = needed[parameter];
    if (needed[parameter].empty()) stages_[parameter] = {schedule_->place(position_of_block(parameter->block)).rank};
  }
  for (const Value* state : graph.states()) stages_[state] = stages_[state->like];
}

void StageMap::find_boundaries(const Graph& graph) {
  for (int position = 0; position + 1 < schedule_->positions(); ++position)
    add_group({schedule_->place(position).rank, schedule_->place(position + 1).rank});
  // How far along the model, forward or back, each value of a main node is read.
  std::unordered_map<const Value*, int> farthest;
  for (const Node& node : graph.nodes()) {
    const int position = info_[&node].position;
    if (position < 0) continue;
    for (const Value* input : node.inputs) {
      if (input->producer == nullptr || info_[input->producer].position < 0) continue;
      const NodeInfo& made = info_[input->producer];
      const bool right_way = made.backward ? position <= made.position : position >= made.position;
      if (!right_way || (position != made.position && !is_over_batch(*input)))
        throw usage_error("{} of block {} reads {} of block {}: a pipeline cannot be cut between them", node.name,
                          node.block, made.backward ? "the gradient " + input->name : input->name,
                          input->producer->block);
      const auto [it, fresh] = farthest.try_emplace(input, position);
      it->second = made.backward ? std::min(it->second, position) : std::max(it->second, position);
    }
  }
  for (const Node& node : graph.nodes())
    for (const Value* output : node.outputs) {
      const auto it = farthest.find(output);
      if (it == farthest.end()) continue;
      const NodeInfo& made = info_[&node];
      for (int at = made.position; at < it->second; ++at) activations_[static_cast<std::size_t>(at)].push_back(output);
      for (int at = made.position; at > it->second; --at) gradients_[static_cast<std::size_t>(at)].push_back(output);
    }
}

void StageMap::place_updates(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    NodeInfo& info = info_[&node];
    if (info.position >= 0 || !info.needed.empty()) continue;
    Stages together, common = stages_.at(node.inputs[0]);
    for (const Value* input : node.inputs) {
      const Stages& here = stages_.at(input);
      together.insert(here.begin(), here.end());
      std::erase_if(common, [&](int stage) { return !here.contains(stage); });
    }
    info.joins_stages = node.op->additive && common != together;
    if (info.joins_stages) add_group(together);
    require(info.joins_stages || !common.empty(), "{}: no stage has all that it reads", node.name);
    for (const Value* output : node.outputs) stages_[output] = info.joins_stages ? together : common;
  }
}

void StageMap::add_group(const Stages& stages) {
  const bool is_whole_line = static_cast<int>(stages.size()) == schedule_->stages;
  const bool known = std::find(groups_.begin(), groups_.end(), stages) != groups_.end();
  if (stages.size() > 1 && !is_whole_line && !known) groups_.push_back(stages);
}

const std::vector<const Node*>& StageMap::main_nodes(int position, Action action) const {
  const Part& part = parts_[static_cast<std::size_t>(position)];
  switch (action) {
    case Action::forward:
      return part.forward;
    case Action::backward_input:
      return part.backward_input;
    case Action::backward_weight:
      return part.backward_weight;
    default:
      return part.backward;
  }
}

}  // namespace ctrain
