// Where the nodes of a graph run when its blocks are dealt to the stages of a pipeline and its batch comes in
// micro-batches.
//
// main    what the schedule orders: nodes over the batch (the dimension b), once per micro-batch, in the part of the
//         model that their block belongs to; and what lies between them.
// shared  what main nodes read and any stage can make for itself: copies of parameters in another type, and what
//         follows from the inputs alone (masks, the count of labels).
// update  the rest, once per step: norms of gradients, updates, where what they read is.
//
// A part of the model has a position in it: 0 reads the data, the last computes the loss (Schedule::position).
#pragma once

#include <set>
#include <unordered_map>
#include <vector>

#include "ops/graph.h"
#include "parallel/pipeline/schedule.h"

namespace ctrain {

using Stages = std::set<int>;

class StageMap {
 public:
  // `first_blocks`: the first block of every position (stage_cut.h), starting with 0. The graph and the schedule
  // outlive the map. A usage error where a value goes from a later part of the model to an earlier one.
  StageMap(const Graph& graph, const Schedule& schedule, std::vector<int> first_blocks);

  // The main nodes of a position, in the graph's order: those of forward, of backward, or of one of its parts. The
  // weight part are the nodes that make nothing but gradients of parameters.
  [[nodiscard]] const std::vector<const Node*>& main_nodes(int position, Action action) const;
  [[nodiscard]] const std::vector<const Node*>& update_nodes() const { return update_nodes_; }
  [[nodiscard]] bool is_main(const Node& node) const { return info_.at(&node).position >= 0; }

  // What the part at a position hands to the next one: activations; and what it hands back: their gradients.
  [[nodiscard]] const std::vector<const Value*>& activations_after(int position) const {
    return activations_[static_cast<std::size_t>(position)];
  }
  [[nodiscard]] const std::vector<const Value*>& gradients_before(int position) const {
    return gradients_[static_cast<std::size_t>(position)];
  }

  // The stages on which a parameter or state lies, or an update node's output; of a main node its own.
  [[nodiscard]] const Stages& stages(const Value* value) const { return stages_.at(value); }
  // A sum over values of several stages (the gradients of a shared parameter, the squares of all gradients): each stage
  // adds its own, then the stages of the sum do among each other. Here: the stage that brings this operand.
  [[nodiscard]] bool joins_stages(const Node& node) const { return info_.at(&node).joins_stages; }
  [[nodiscard]] int bringer(const Value* operand) const { return *stages(operand).begin(); }

  // Sets of stages that exchange something, each once: neighbours, then those of sums. All stages together are not
  // listed.
  [[nodiscard]] const std::vector<Stages>& groups() const { return groups_; }

 private:
  struct NodeInfo {
    int position = -1;  // of main nodes
    bool backward = false, joins_stages = false;
    Stages needed;  // the stages of the main nodes that read what it makes; of a main node its own
  };
  struct Part {
    std::vector<const Node*> forward, backward, backward_input, backward_weight;
  };
  [[nodiscard]] int position_of_block(int block) const;
  void classify(const Graph& graph);
  void place_updates(const Graph& graph);
  void find_boundaries(const Graph& graph);
  void add_group(const Stages& stages);

  const Schedule* schedule_;
  std::vector<int> first_blocks_;
  std::unordered_map<const Node*, NodeInfo> info_;
  std::unordered_map<const Value*, Stages> stages_;
  std::vector<Part> parts_;
  std::vector<const Node*> update_nodes_;
  std::vector<std::vector<const Value*>> activations_, gradients_;
  std::vector<Stages> groups_;
};

}  // namespace ctrain
