#include "parallel/program_builder.h"

#include "memory/error.h"
#include "parallel/block_runs.h"

namespace ctrain {

namespace {

double local_flops(const OpDefinition& op, const LocalNode& node) {
  if (!op.flops) return 0;
  Extents extents;
  for (const Operand& operand : node.inputs)
    for (std::size_t i = 0; i < operand.dims.size(); ++i) extents[operand.dims[i]] = operand.shape[i];
  return op.flops(extents, node.attributes);
}

}  // namespace

ProgramBuilder::ProgramBuilder(Program& program, std::uint64_t seed) : program_(&program), seed_(seed) {}

BlockId ProgramBuilder::add_block(const Value* value, const Names& dims, DType dtype, const Layout& layout,
                                  Block::Storage storage) {
  Block block;
  block.value = value;
  block.storage = storage;
  block.layout = layout;
  block.operand = {dims, dtype, program_->dimensions.local_shape(dims, layout, mesh())};
  program_->blocks.push_back(std::move(block));
  return static_cast<BlockId>(program_->blocks.size()) - 1;
}

BlockId ProgramBuilder::add_staging(const Operand& operand) {
  Block block;
  block.operand = operand;
  program_->blocks.push_back(std::move(block));
  return static_cast<BlockId>(program_->blocks.size()) - 1;
}

Segments ProgramBuilder::segments(Name name, const Axes& split) const {
  return held_indices(*program_, program_->rank, name, split);
}

Segments ProgramBuilder::segments_of_block(Name name, int blocks, int block) const {
  const std::int64_t length = program_->dimensions.padded(name) / blocks;
  return program_->dimensions.stored(name, block * length, length);
}

LocalStep ProgramBuilder::make_step(const Node& node, const Assignment& assignment, const std::vector<BlockId>& inputs,
                                    const std::vector<BlockId>& outputs) const {
  LocalStep step;
  step.node.op = node.op->name;
  step.node.name = node.name;
  step.node.attributes = node.attributes;
  step.node.seed = seed_;
  step.node.overwrites = node.op->overwrites;
  step.inputs = inputs;
  step.outputs = outputs;
  for (const auto* ids : {&inputs, &outputs})
    for (const BlockId id : *ids) {
      const Operand& operand = block(id).operand;
      (ids == &inputs ? step.node.inputs : step.node.outputs).push_back(operand);
      for (const Name name : operand.dims) {
        const auto it = assignment.find(name);
        step.node.segments[name] = segments(name, it == assignment.end() ? Axes{} : it->second);
        step.node.extents[name] = program_->dimensions.extent(name);
      }
    }
  step.flops = local_flops(*node.op, step.node);
  return step;
}

void ProgramBuilder::product(BlockId a, BlockId b, BlockId output, bool accumulate) {
  LocalStep step;
  step.node.op = step.node.name = "matmul";
  step.node.attributes = {{"output", block(output).operand.dims.text()}};
  step.node.inputs = {block(a).operand, block(b).operand};
  step.node.outputs = {block(output).operand};
  step.node.accumulate = accumulate;
  step.inputs = {a, b};
  step.outputs = {output};
  step.flops = local_flops(Registry<OpDefinition>::instance().get(step.node.op), step.node);
  program_->steps.emplace_back(std::move(step));
}

void ProgramBuilder::sum(BlockId a, BlockId b, BlockId output) {
  LocalStep step;
  step.node.op = step.node.name = "add";
  step.node.inputs = {block(a).operand, block(b).operand};
  step.node.outputs = {block(output).operand};
  step.node.overwrites = Registry<OpDefinition>::instance().get(step.node.op).overwrites;
  step.inputs = {a, b};
  step.outputs = {output};
  append(std::move(step));
}

void ProgramBuilder::collective(const CollectiveStep& step) {
  const bool is_root = step.collective == Collective::broadcast ? step.output < 0 : step.output >= 0;
  const std::int64_t local = block(step.input >= 0 ? step.input : step.output).bytes();
  const int members = step.members.empty() ? mesh().size(step.axis) : static_cast<int>(step.members.size());
  program_->bytes_sent[{step.collective, step.axis}] += ctrain::bytes_sent(step.collective, members, is_root, local);
  program_->steps.emplace_back(step);
}

BlockId ProgramBuilder::move(BlockId from, const Move& move) {
  const Operand source = block(from).operand;
  const Value* value = block(from).value;
  const Reduction reduction = block(from).layout.reduction;
  const BlockId to = add_block(value, source.dims, source.dtype, move.result);
  const Operand target = block(to).operand;
  const std::int64_t n = mesh().size(move.axis);

  // A block seen as [outer, extent of a dimension, inner].
  struct View {
    std::int64_t outer = 1, extent = 1, inner = 1;
  };
  const auto view = [](const Operand& operand, int dim) {
    View v;
    for (int d = 0; d < static_cast<int>(operand.shape.size()); ++d)
      (d < dim ? v.outer : d == dim ? v.extent : v.inner) *= operand.shape[static_cast<std::size_t>(d)];
    return v;
  };
  // Parts of a dimension, one per member, laid out one after the other: [n, outer, extent / n, inner].
  const auto pack = [&](BlockId whole, int dim) {
    const View v = view(block(whole).operand, dim);
    const BlockId packed = add_staging(block(whole).operand);
    const std::int64_t run = v.extent / n * v.inner;
    copy({.copy = {.loops = {{n, run, v.outer * run}, {v.outer, v.extent * v.inner, run}, {run, 1, 1}}},
          .input = whole,
          .output = packed});
    return packed;
  };
  const auto unpack = [&](BlockId packed, BlockId whole, int dim) {
    const View v = view(block(whole).operand, dim);
    const std::int64_t run = v.extent / n * v.inner;
    copy({.copy = {.loops = {{n, v.outer * run, run}, {v.outer, run, v.extent * v.inner}, {run, 1, 1}}},
          .input = packed,
          .output = whole});
  };

  if (!move.collective.has_value()) {
    const View v = view(source, move.to);
    const std::int64_t run = v.extent / n * v.inner;
    copy({.copy = {.loops = {{v.outer, v.extent * v.inner, run}, {run, 1, 1}},
                   .from_offset = coordinate(move.axis) * run},
          .input = from,
          .output = to});
    return to;
  }
  CollectiveStep step{*move.collective, move.axis, 0, reduction, from, to};
  switch (*move.collective) {
    case Collective::all_gather: {
      const bool contiguous = view(source, move.from).outer == 1;
      if (!contiguous) step.output = add_staging(target);
      collective(step);
      if (!contiguous) unpack(step.output, to, move.from);
      break;
    }
    case Collective::reduce_scatter:
      if (view(source, move.to).outer > 1) step.input = pack(from, move.to);
      collective(step);
      break;
    case Collective::all_to_all: {
      step.input = pack(from, move.to);
      step.output = add_staging(target);
      collective(step);
      unpack(step.output, to, move.from);
      break;
    }
    default:
      collective(step);
  }
  return to;
}

}  // namespace ctrain
