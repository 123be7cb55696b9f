#include "parallel/lowering.h"

#include <algorithm>

#include "memory/error.h"
#include "parallel/pipeline/micro_batches.h"
#include "parallel/tensor/ring_attention.h"
#include "parallel/tensor/summa.h"

namespace ctrain {
namespace {

Layout layout_of(const Names& dims, const Assignment& assignment) {
  Layout layout;
  for (std::size_t i = 0; i < dims.size(); ++i)
    if (const auto it = assignment.find(dims[i]); it != assignment.end()) layout.split[i] = it->second;
  return layout;
}

// As assigned, and partial over the axes of every name that the output lacks.
Layout output_layout(const Node& node, const Value& output, const Assignment& assignment) {
  Layout layout = layout_of(output.dims, assignment);
  Names lacking;
  for (const Value* input : node.inputs)
    for (const Name name : input->dims)
      if (!output.dims.contains(name) && !lacking.contains(name)) lacking.push_back(name);
  for (const Name name : lacking)
    if (const auto it = assignment.find(name); it != assignment.end())
      for (const Axis axis : it->second) layout.add_partial(axis);
  if (!layout.partial.empty()) layout.reduction = node.op->reduction;
  return layout;
}

bool is_input(const Value* value) { return value->kind == Value::Kind::input; }

bool pair_of_features(const Node& node) {
  Names all = features(node.inputs[0]->dims);
  for (const Name name : features(node.inputs[1]->dims))
    if (!all.contains(name)) all.push_back(name);
  return all.size() == 2;
}

}  // namespace

Lowering::Lowering(const Graph& graph, const Mode& mode, int rank, std::uint64_t seed, Program& program)
    : mode_(mode),
      program_(program),
      rank_(rank),
      time_(micro_batch_axis(mode.mesh)),
      builder_(program, seed),
      redistributor_(program.mesh, program.dimensions) {
  program.mesh = mode.mesh;
  program.dimensions = mode.dimensions(graph);
  if (time_) micro_batches_ = mode.mesh.size(*time_);
  enter(0);
}

// ---- values --------------------------------------------------------------------------------------------------------
void Lowering::define_persistent(const Value* value, Block::Storage storage, int stage, bool is_held) {
  const Layout layout = stored_layout(*value, mode_, program_.dimensions);
  const BlockId id = builder_.add_block(value, value->dims, value->dtype, layout, storage);
  Block& block = program_.blocks[static_cast<std::size_t>(id)];
  block.stage = stage;
  block.is_held = is_held;
  if (is_held) current_[instance(value)] = program_.persistent[value->name] = id;
}

void Lowering::enter(int micro_batch) {
  micro_batch_ = micro_batch;
  program_.rank = rank_ * micro_batches_ + micro_batch;
}

Lowering::Instance Lowering::instance(const Value* value) const {
  return {value, time_ && is_over_batch(*value) ? micro_batch_ : -1};
}

bool Lowering::is_made(const Value* value) const { return is_input(value) || current_.contains(instance(value)); }

void Lowering::set(const Value* value, BlockId block) { current_[instance(value)] = block; }

Layout Lowering::table_layout(const Value* value) const { return layout_from(mode_.table(value->dims), value->dims); }

Layout Lowering::home(const Value* value) const {
  if (value->kind == Value::Kind::parameter || value->like != nullptr)
    return stored_layout(*value, mode_, program_.dimensions);
  if (is_input(value) || !features(value->dims).empty()) return table_layout(value);
  return builder_.block(current_.at(instance(value))).layout.resolved();
}

// The loader writes any rows of an input and any of their tokens; a split of other dimensions is a slice of those.
BlockId Lowering::feed(const Value* value, const Layout& wanted) {
  Layout layout;
  FeedBlock feed;
  feed.input = value->name;
  if (value->dims.contains({'b'})) {
    layout.of(value->dims, {'b'}) = wanted.of(value->dims, {'b'});
    const Segments::Run rows = builder_.segments({'b'}, wanted.of(value->dims, {'b'})).runs[0];
    feed.first_row = rows.start;
    feed.rows = rows.length;
  }
  if (value->dims.contains({'s'})) {
    layout.of(value->dims, {'s'}) = wanted.of(value->dims, {'s'});
    feed.tokens = builder_.segments({'s'}, wanted.of(value->dims, {'s'}));
  }
  const auto [it, fresh] = copies_.try_emplace({instance(value), layout}, -1);
  if (fresh) {
    it->second = feed.block = builder_.add_block(value, value->dims, value->dtype, layout, Block::Storage::feed);
    program_.feeds.push_back(feed);
  }
  return it->second;
}

const BlockId* Lowering::copy_in(const Value* value, const Layout& layout) const {
  for (auto* copies : {&copies_, &foreign_copies_})
    if (const auto it = copies->find({instance(value), layout}); it != copies->end()) return &it->second;
  return nullptr;
}

// Everything but home is reached from home, so that a partial value is resolved only once.
BlockId Lowering::in_layout(const Value* value, const Layout& wanted) {
  BlockId at = is_input(value) ? feed(value, wanted) : current_.at(instance(value));
  const Layout at_home = is_input(value) ? wanted : home(value);
  for (const Layout& goal : {at_home, wanted}) {
    if (builder_.block(at).layout == goal) continue;
    if (const BlockId* copy = copy_in(value, goal)) {
      at = *copy;
      continue;
    }
    for (const Move& move : redistributor_.path(value->dims, builder_.block(at).layout, goal)) {
      at = builder_.move(at, move);
      program_.blocks[static_cast<std::size_t>(at)].foreign = !is_input(value) && move.result != at_home;
    }
    (goal == at_home ? copies_ : foreign_copies_)[{instance(value), goal}] = at;
  }
  return at;
}

// What one micro-batch adds to a sum over the batch joins what the ones before it left.
void Lowering::add_up(const Value* value) {
  const BlockId part = current_.at(instance(value));
  auto sum = sums_.find(value);
  const bool is_added = sum != sums_.end() && sum->second.block == part;  // a product adds to the sum itself
  if (!is_added) {
    Layout& layout = program_.blocks[static_cast<std::size_t>(part)].layout;
    if (!layout.partial.contains(*time_)) return;
    require(layout.reduction == Reduction::sum, "{} is a maximum over the micro-batches", value->name);
    layout.partial = layout.partial.without(*time_);
    if (sum == sums_.end()) {
      sum = sums_.emplace(value, SumOverTime{part, 0}).first;
    } else {
      const BlockId total = builder_.add_block(value, value->dims, value->dtype, Layout(layout));
      builder_.sum(sum->second.block, part, total);
      sum->second.block = total;
    }
  }
  if (++sum->second.parts < micro_batches_)
    current_.erase(instance(value));
  else
    set(value, sum->second.block);
}

// ---- ops -----------------------------------------------------------------------------------------------------------
// Each name takes the axes that are still free, coarsest first; a later operand whose axis is taken is gathered.
void Lowering::claim(Assignment& assignment, std::set<Axis>& taken, const OpDefinition& op, const Names& dims,
                     const Layout& layout) const {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (assignment.contains(dims[i]) || op.whole.contains(dims[i])) continue;
    Axes free;
    for (const Axis axis : layout.split[i]) {
      if (taken.contains(axis)) break;
      free.push_back(axis);
    }
    if (free.empty()) continue;
    assignment[dims[i]] = free;
    taken.insert(free.begin(), free.end());
  }
}

Assignment Lowering::claims(const Node& node) const {
  const OpDefinition& op = *node.op;
  Assignment assignment;
  std::set<Axis> taken;
  const auto claim_operand = [&](const Value* value) { claim(assignment, taken, op, value->dims, home(value)); };
  const auto claim_output = [&] {
    const Value* output = node.outputs[0];
    if (output->like == nullptr) claim(assignment, taken, op, output->dims, table_layout(output));
  };
  switch (op.claims) {
    case ClaimOrder::main_operand:
      claim_operand(node.inputs[0]);
      claim_output();
      for (std::size_t i = 1; i < node.inputs.size(); ++i) claim_operand(node.inputs[i]);
      break;
    case ClaimOrder::product:
      claim_output();
      for (const Value* input : node.inputs) claim_operand(input);
      break;
    case ClaimOrder::lookup:
      for (const auto* values : {&node.inputs, &node.outputs})
        for (const Value* value : *values)
          claim(assignment, taken, op, value->dims, layout_from(mode_.embedding, value->dims));
      break;
  }
  return assignment;
}

Assignment Lowering::product_table(const Node& node) const {
  Assignment assignment;
  for (const Value* input : node.inputs)
    for (const Name name : input->dims) assignment[name] = lookup(mode_.product, name);
  return assignment;
}

void Lowering::lower(const Node& node) {
  const bool product = node.op->claims == ClaimOrder::product && pair_of_features(node);
  if (node.op->additive)
    lower_sum(node, node.inputs);
  else if (product && mode_.summa)
    lower_summa(node);
  else if (node.op->ring && !mode_.ring.empty())
    lower_ring(node);
  else
    lower_local(node, product && !mode_.product.empty() ? product_table(node) : claims(node));
  if (!time_) return;
  for (const Value* output : node.outputs) add_up(output);
}

void Lowering::lower_local(const Node& node, const Assignment& assignment) {
  std::vector<BlockId> inputs, outputs;
  for (const Value* input : node.inputs) inputs.push_back(in_layout(input, layout_of(input->dims, assignment)));
  bool accumulate = false;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const Value* output = node.outputs[i];
    const auto sum = sums_.find(output);
    accumulate = sum != sums_.end() && node.op->claims == ClaimOrder::product;
    BlockId id = -1;
    if (!node.op->in_place.empty())
      id = inputs[static_cast<std::size_t>(node.op->in_place[i])];
    else if (accumulate)
      id = sum->second.block;
    else
      id = builder_.add_block(output, output->dims, output->dtype, output_layout(node, *output, assignment));
    outputs.push_back(id);
    set(output, id);
  }
  LocalStep step = builder_.make_step(node, assignment, inputs, outputs);
  step.node.accumulate = accumulate;
  builder_.append(std::move(step));
}

// ---- sums: partial values of equal layout are added before they are reduced ----------------------------------------
void Lowering::lower_sum(const Node& node, const std::vector<Value*>& operands) {
  const Value* output = node.outputs[0];
  std::map<Layout, std::vector<const Value*>> groups;
  for (const Value* operand : operands) {
    const Layout layout = is_input(operand) ? home(operand) : builder_.block(current_.at(instance(operand))).layout;
    groups[layout].push_back(operand);
  }
  if (groups.size() == 1) {
    std::vector<BlockId> terms;
    for (const Value* operand : operands)
      terms.push_back(is_input(operand) ? in_layout(operand, home(operand)) : current_.at(instance(operand)));
    return set(output, append_sum(node, output, terms, groups.begin()->first));
  }
  Layout target = groups.begin()->first.resolved();
  if (output->like != nullptr)
    target = stored_layout(*output, mode_, program_.dimensions);
  else if (!features(output->dims).empty())
    target = table_layout(output);
  std::vector<BlockId> terms;
  for (const auto& [layout, values] : groups) {
    if (layout.partial.empty() || values.size() == 1) {
      for (const Value* value : values) terms.push_back(in_layout(value, target));
      continue;
    }
    std::vector<BlockId> parts;
    for (const Value* value : values) parts.push_back(current_.at(instance(value)));
    BlockId part = append_sum(node, nullptr, parts, layout);
    for (const Move& move : redistributor_.path(output->dims, layout, target)) part = builder_.move(part, move);
    terms.push_back(part);
  }
  set(output, append_sum(node, output, terms, target));
}

BlockId Lowering::lower_own_sum(const Node& node, const std::vector<Value*>& operands) {
  const Value* output = node.outputs[0];
  if (operands.size() > 1) {
    lower_sum(node, operands);
    return in_layout(output, home(output));
  }
  const Layout target =
      output->like != nullptr ? stored_layout(*output, mode_, program_.dimensions) : home(operands[0]);
  return in_layout(operands[0], target);
}

BlockId Lowering::append_sum(const Node& node, const Value* value, const std::vector<BlockId>& terms,
                             const Layout& layout) {
  const Names& dims = node.outputs[0]->dims;
  const BlockId id = builder_.add_block(value, dims, node.outputs[0]->dtype, layout);
  Assignment assignment;
  for (std::size_t i = 0; i < dims.size(); ++i) assignment[dims[i]] = layout.split[i];
  builder_.local(node, assignment, terms, {id});
  return id;
}

// ---- SUMMA ---------------------------------------------------------------------------------------------------------
// What SUMMA takes: the mode's own layout, even of a parameter that the configuration wants to lie otherwise.
Layout Lowering::rule(const Value* value) const {
  const bool stored = value->kind == Value::Kind::parameter || value->like != nullptr;
  return stored ? rule_layout(*value, mode_, program_.dimensions) : home(value);
}

// Which of the three products it is follows from the layouts of the operands.
void Lowering::lower_summa(const Node& node) {
  const Axis row = mode_.mesh.axis("row");
  const Value *a = node.inputs[0], *b = node.inputs[1], *output = node.outputs[0];
  const auto split_over_row = [&](const Value* value, Name name) {
    const Axes split = rule(value).of(value->dims, name);
    return !split.empty() && *split.begin() == row;
  };
  SummaProduct product = SummaProduct::AtB;
  Layout layout;
  if (output->like != nullptr) {  // the gradient of a weight: both operands are activations
    layout = rule(output);
    for (const Name name : features(output->dims))
      if (split_over_row(output, name) && !a->dims.contains(name)) std::swap(a, b);
    for (const Axis axis : lookup(mode_.stream, {'b'}))
      if (axis != row) layout.add_partial(axis);
  } else {
    if (a->kind == Value::Kind::parameter || a->like != nullptr) std::swap(a, b);
    layout = table_layout(output);
    for (const Name name : features(b->dims))
      if (!output->dims.contains(name)) product = split_over_row(b, name) ? SummaProduct::AB : SummaProduct::ABt;
  }
  const BlockId a_block = in_layout(a, rule(a)), b_block = in_layout(b, rule(b));
  const BlockId c = builder_.add_block(output, output->dims, output->dtype, layout);
  append_summa(builder_, product, a_block, b_block, c);
  set(output, c);
}

// ---- attention over split tokens -----------------------------------------------------------------------------------
void Lowering::lower_ring(const Node& node) {
  Assignment assignment;
  for (const Name name : node.inputs[0]->dims) assignment[name] = lookup(mode_.inner, name);
  std::vector<BlockId> inputs, outputs;
  for (const Value* input : node.inputs) inputs.push_back(in_layout(input, layout_of(input->dims, assignment)));
  for (const Value* output : node.outputs) {
    outputs.push_back(builder_.add_block(output, output->dims, output->dtype, layout_of(output->dims, assignment)));
    set(output, outputs.back());
  }
  const auto append = node.op->name == "attention" ? append_ring_attention : append_ring_attention_grad;
  append(builder_, node, mode_.ring.back(), assignment, inputs, outputs);
}

}  // namespace ctrain
