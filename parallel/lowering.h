// Makes nodes of the logical graph local: appends the steps by which one rank does its share of each, and moves values
// between layouts where a node wants them otherwise than they lie. partition.h tells by which rules.
//
// A batch may come in micro-batches, one after the other. To layouts a micro-batch is one more block of the batch, at a
// coordinate in time rather than in space (pipeline/micro_batches.h): a value over the batch exists once per micro-
// batch, and what is summed over the batch is partial over the micro-batches and added up as they come.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ops/graph.h"
#include "parallel/program_builder.h"
#include "parallel/redistribute.h"
#include "parallel/tensor/mode.h"

namespace ctrain {

class Lowering {
 public:
  // `mode` has the micro-batches' axis where there are several. All referenced objects outlive the lowering.
  Lowering(const Graph& graph, const Mode& mode, int rank, std::uint64_t seed, Program& program);

  // Parameters and states lie in their stored layout; where another stage has them, without memory.
  void define_persistent(const Value* value, Block::Storage storage, int stage, bool is_held);

  // What follows is of this micro-batch.
  void enter(int micro_batch);
  [[nodiscard]] int micro_batch() const { return micro_batch_; }
  // Copies of values in layouts that are not their home are made again from here on.
  void forget_copies() { foreign_copies_.clear(); }

  // Is the value there: made, received, or an input? Of the entered micro-batch, where it is over the batch; whole,
  // where it is a sum over it.
  [[nodiscard]] bool is_made(const Value* value) const;
  void lower(const Node& node);
  // A sum of these operands alone (at least one), brought home.
  BlockId lower_own_sum(const Node& node, const std::vector<Value*>& operands);

  [[nodiscard]] Layout home(const Value* value) const;
  // What the mode's table says of a value's dimensions.
  [[nodiscard]] Layout table_layout(const Value* value) const;
  BlockId in_layout(const Value* value, const Layout& wanted);
  // The value is this block from here on.
  void set(const Value* value, BlockId block);
  [[nodiscard]] ProgramBuilder& builder() { return builder_; }

 private:
  using Instance = std::pair<const Value*, int>;  // of a micro-batch, or -1
  [[nodiscard]] Instance instance(const Value* value) const;
  BlockId feed(const Value* value, const Layout& wanted);
  [[nodiscard]] const BlockId* copy_in(const Value* value, const Layout& layout) const;
  void add_up(const Value* value);

  void claim(Assignment& assignment, std::set<Axis>& taken, const OpDefinition& op, const Names& dims,
             const Layout& layout) const;
  [[nodiscard]] Assignment claims(const Node& node) const;
  [[nodiscard]] Assignment product_table(const Node& node) const;
  void lower_local(const Node& node, const Assignment& assignment);
  void lower_sum(const Node& node, const std::vector<Value*>& operands);
  BlockId append_sum(const Node& node, const Value* value, const std::vector<BlockId>& terms, const Layout& layout);
  [[nodiscard]] Layout rule(const Value* value) const;
  void lower_summa(const Node& node);
  void lower_ring(const Node& node);

  struct SumOverTime {
    BlockId block = -1;
    int parts = 0;
  };

  const Mode& mode_;
  Program& program_;
  int rank_;
  std::optional<Axis> time_;  // the axis of micro-batches
  int micro_batches_ = 1, micro_batch_ = 0;
  ProgramBuilder builder_;
  Redistributor redistributor_;
  std::map<Instance, BlockId> current_;                            // as produced
  std::map<const Value*, SumOverTime> sums_;                       // over micro-batches
  std::map<std::pair<Instance, Layout>, BlockId> copies_;          // at home, and what the loader brings
  std::map<std::pair<Instance, Layout>, BlockId> foreign_copies_;  // in other layouts
};

}  // namespace ctrain
