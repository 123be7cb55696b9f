#include "parallel/partition.h"

#include <algorithm>
#include <set>

#include "memory/error.h"
#include "parallel/program_builder.h"
#include "parallel/tensor/ring_attention.h"
#include "parallel/tensor/summa.h"

namespace ctrain {
namespace {

class Partitioner {
 public:
  Partitioner(const Graph& graph, const Mode& mode, int rank, const PartitionOptions& options)
      : graph_(graph),
        mode_(mode),
        options_(options),
        builder_(program_, options.seed),
        redistributor_(program_.mesh, program_.dimensions) {
    program_.mesh = mode.mesh;
    program_.rank = rank;
    program_.dimensions = mode.dimensions(graph);
  }

  Program run() {
    for (const Value* parameter : graph_.parameters()) define_persistent(parameter, Block::Storage::parameter);
    for (const Value* state : graph_.states()) define_persistent(state, Block::Storage::state);
    std::size_t position = 0;
    for (const Node& node : graph_.nodes()) {
      if (position++ == graph_.first_backward()) begin_backward();
      lower(node);
    }
    for (Value* value : options_.fetch) {
      const BlockId id = in_layout(value, home(value));
      program_.blocks[static_cast<std::size_t>(id)].keep = true;
      program_.kept[value] = id;
    }
    return std::move(program_);
  }

 private:
  // ---- values ----------------------------------------------------------------------------------------------------
  void define_persistent(const Value* value, Block::Storage storage) {
    const Layout layout = stored_layout(*value, mode_, program_.dimensions);
    const BlockId id = builder_.add_block(value, value->dims, value->dtype, layout, storage);
    current_[value] = program_.persistent[value->name] = id;
  }

  Layout home(const Value* value) const {
    if (value->kind == Value::Kind::parameter || value->like != nullptr)
      return stored_layout(*value, mode_, program_.dimensions);
    if (value->kind == Value::Kind::input || !features(value->dims).empty())
      return layout_from(mode_.table(value->dims), value->dims);
    return builder_.block(current_.at(value)).layout.resolved();
  }

  // The loader writes any rows of an input and any of their tokens; a split of other dimensions is a slice of those.
  BlockId feed(const Value* value, const Layout& wanted) {
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
    const auto [it, fresh] = copies_.try_emplace({value, layout}, -1);
    if (fresh) {
      it->second = feed.block = builder_.add_block(value, value->dims, value->dtype, layout, Block::Storage::feed);
      program_.feeds.push_back(feed);
    }
    return it->second;
  }

  // The value in this layout. Everything but home is reached from home, so that a partial value is resolved only once.
  BlockId in_layout(const Value* value, const Layout& wanted) {
    const bool is_input = value->kind == Value::Kind::input;
    BlockId at = is_input ? feed(value, wanted) : current_.at(value);
    for (const Layout& goal : {is_input ? wanted : home(value), wanted}) {
      if (builder_.block(at).layout == goal) continue;
      const auto cached = copies_.find({value, goal});
      if (cached != copies_.end()) {
        at = cached->second;
        continue;
      }
      for (const Move& move : redistributor_.path(value->dims, builder_.block(at).layout, goal)) {
        at = builder_.move(at, move);
        program_.blocks[static_cast<std::size_t>(at)].foreign = !is_input && move.result != home(value);
      }
      copies_[{value, goal}] = at;
    }
    return at;
  }

  // Copies in foreign layouts are not kept for the backward pass, which makes them again: stored activations stay what
  // the home layouts say.
  void begin_backward() {
    program_.first_backward = program_.steps.size();
    if (options_.keep_gathered) return;
    std::erase_if(copies_, [&](const auto& copy) {
      const auto& [value, layout] = copy.first;
      return value->kind != Value::Kind::input && layout != home(value);
    });
  }

  // ---- ops -------------------------------------------------------------------------------------------------------
  // Each name takes the axes that are still free, coarsest first; a later operand whose axis is taken is gathered.
  void claim(Assignment& assignment, std::set<Axis>& taken, const OpDefinition& op, const Names& dims,
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

  Assignment claims(const Node& node) const {
    const OpDefinition& op = *node.op;
    Assignment assignment;
    std::set<Axis> taken;
    const auto claim_operand = [&](const Value* value) { claim(assignment, taken, op, value->dims, home(value)); };
    const auto claim_output = [&] {
      const Value* output = node.outputs[0];
      if (output->like == nullptr)
        claim(assignment, taken, op, output->dims, layout_from(mode_.table(output->dims), output->dims));
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

  Assignment product_table(const Node& node) const {
    Assignment assignment;
    for (const Value* input : node.inputs)
      for (const Name name : input->dims) assignment[name] = lookup(mode_.product, name);
    return assignment;
  }

  void lower(const Node& node) {
    if (node.op->additive) return lower_sum(node);
    const bool product = node.op->claims == ClaimOrder::product && pair_of_features(node);
    if (product && mode_.summa) return lower_summa(node);
    if (node.op->ring && !mode_.ring.empty()) return lower_ring(node);
    const Assignment assignment = product && !mode_.product.empty() ? product_table(node) : claims(node);
    std::vector<BlockId> inputs, outputs;
    for (const Value* input : node.inputs) inputs.push_back(in_layout(input, layout_of(input->dims, assignment)));
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const Value* output = node.outputs[i];
      const BlockId id = node.op->in_place.empty() ? builder_.add_block(output, output->dims, output->dtype,
                                                                        output_layout(node, *output, assignment))
                                                   : inputs[static_cast<std::size_t>(node.op->in_place[i])];
      outputs.push_back(id);
      current_[output] = id;
    }
    builder_.local(node, assignment, inputs, outputs);
  }

  static Layout layout_of(const Names& dims, const Assignment& assignment) {
    Layout layout;
    for (std::size_t i = 0; i < dims.size(); ++i)
      if (const auto it = assignment.find(dims[i]); it != assignment.end()) layout.split[i] = it->second;
    return layout;
  }

  // As assigned, and partial over the axes of every name that the output lacks.
  static Layout output_layout(const Node& node, const Value& output, const Assignment& assignment) {
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

  // ---- sums: partial values of equal layout are added before they are reduced -------------------------------------
  void lower_sum(const Node& node) {
    const Value* output = node.outputs[0];
    std::map<Layout, std::vector<const Value*>> groups;
    for (const Value* input : node.inputs) {
      const bool is_input = input->kind == Value::Kind::input;
      groups[is_input ? home(input) : builder_.block(current_.at(input)).layout].push_back(input);
    }
    if (groups.size() == 1) {
      std::vector<BlockId> terms;
      for (const Value* input : node.inputs)
        terms.push_back(input->kind == Value::Kind::input ? in_layout(input, home(input)) : current_.at(input));
      current_[output] = append_sum(node, output, terms, groups.begin()->first);
      return;
    }
    Layout target = groups.begin()->first.resolved();
    if (output->like != nullptr || !features(output->dims).empty()) {
      target = output->like != nullptr ? stored_layout(*output, mode_, program_.dimensions)
                                       : layout_from(mode_.table(output->dims), output->dims);
    }
    std::vector<BlockId> terms;
    for (const auto& [layout, values] : groups) {
      if (layout.partial.empty() || values.size() == 1) {
        for (const Value* value : values) terms.push_back(in_layout(value, target));
        continue;
      }
      std::vector<BlockId> parts;
      for (const Value* value : values) parts.push_back(current_.at(value));
      BlockId part = append_sum(node, nullptr, parts, layout);
      for (const Move& move : redistributor_.path(output->dims, layout, target)) part = builder_.move(part, move);
      terms.push_back(part);
    }
    current_[output] = append_sum(node, output, terms, target);
  }

  BlockId append_sum(const Node& node, const Value* value, const std::vector<BlockId>& terms, const Layout& layout) {
    const Names& dims = node.outputs[0]->dims;
    const BlockId id = builder_.add_block(value, dims, node.outputs[0]->dtype, layout);
    Assignment assignment;
    for (std::size_t i = 0; i < dims.size(); ++i) assignment[dims[i]] = layout.split[i];
    builder_.local(node, assignment, terms, {id});
    return id;
  }

  // ---- SUMMA -----------------------------------------------------------------------------------------------------
  static bool pair_of_features(const Node& node) {
    Names all = features(node.inputs[0]->dims);
    for (const Name name : features(node.inputs[1]->dims))
      if (!all.contains(name)) all.push_back(name);
    return all.size() == 2;
  }

  // What SUMMA takes: the mode's own layout, even of a parameter that the configuration wants to lie otherwise.
  Layout rule(const Value* value) const {
    const bool stored = value->kind == Value::Kind::parameter || value->like != nullptr;
    return stored ? rule_layout(*value, mode_, program_.dimensions) : home(value);
  }

  // Which of the three products it is follows from the layouts of the operands.
  void lower_summa(const Node& node) {
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
      layout = layout_from(mode_.table(output->dims), output->dims);
      for (const Name name : features(b->dims))
        if (!output->dims.contains(name)) product = split_over_row(b, name) ? SummaProduct::AB : SummaProduct::ABt;
    }
    const BlockId a_block = in_layout(a, rule(a)), b_block = in_layout(b, rule(b));
    const BlockId c = builder_.add_block(output, output->dims, output->dtype, layout);
    append_summa(builder_, product, a_block, b_block, c);
    current_[output] = c;
  }

  // ---- attention over split tokens -------------------------------------------------------------------------------
  void lower_ring(const Node& node) {
    Assignment assignment;
    for (const Name name : node.inputs[0]->dims) assignment[name] = lookup(mode_.inner, name);
    std::vector<BlockId> inputs, outputs;
    for (const Value* input : node.inputs) inputs.push_back(in_layout(input, layout_of(input->dims, assignment)));
    for (const Value* output : node.outputs) {
      outputs.push_back(builder_.add_block(output, output->dims, output->dtype, layout_of(output->dims, assignment)));
      current_[output] = outputs.back();
    }
    const auto append = node.op->name == "attention" ? append_ring_attention : append_ring_attention_grad;
    append(builder_, node, mode_.ring.back(), assignment, inputs, outputs);
  }

  const Graph& graph_;
  const Mode& mode_;
  const PartitionOptions& options_;
  Program program_;
  ProgramBuilder builder_;
  Redistributor redistributor_;
  std::map<const Value*, BlockId> current_;                    // as produced
  std::map<std::pair<const Value*, Layout>, BlockId> copies_;  // at home and in foreign layouts
};

}  // namespace

Program partition(const Graph& graph, const Mode& mode, int rank, const PartitionOptions& options) {
  return Partitioner(graph, mode, rank, options).run();
}

}  // namespace ctrain
