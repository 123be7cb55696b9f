// A program is the model as one rank executes it: blocks (local parts of values) and a flat list of steps over them.
// It is the partition pass's result; the plan (runtime/plan.h) gives its blocks places in memory, the executor runs it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "ops/kernel.h"
#include "ops/strided_copy.h"
#include "parallel/comm/communicator.h"
#include "parallel/layout.h"

namespace ctrain {

using BlockId = int;  // position in Program::blocks; -1: none

struct Block {
  enum class Storage {
    arena,      // lives from the step that writes it to its last reader
    parameter,  // persistent
    state,      // persistent, of the optimizer
    feed,       // written by the data loader before the step
  };
  const Value* value = nullptr;  // the logical value that this is a part of; nullptr for staging buffers
  Storage storage = Storage::arena;
  Operand operand;  // names, type, local extents
  Layout layout;
  bool foreign = false;  // a copy in a layout that is not the value's home (or on the way there), made for a reader
  bool keep = false;     // read after the last step (losses, gradients under test)
  // Of parameters and states: the first pipeline stage that has it, and whether this rank's stage does. Where it does
  // not, the block has no memory; it tells how the others' parts lie.
  int stage = 0;
  bool is_held = true;
  [[nodiscard]] std::int64_t bytes() const;
};

// An op on local blocks.
struct LocalStep {
  LocalNode node;
  std::vector<BlockId> inputs, outputs;
  double flops = 0;  // multiplications and additions on these blocks, padding included; 0: not counted
};

// A copy between two blocks.
struct CopyStep {
  StridedCopy copy;
  BlockId input = -1, output = -1;
};

// Some members of the line of the mesh along one axis, by position on it, ascending; empty: the whole line.
using Members = std::vector<int>;

// A collective over the line of the mesh along one axis, or among some of its members. What one stage of a pipeline
// hands to another is a broadcast between the two.
struct CollectiveStep {
  Collective collective = Collective::all_reduce;
  Axis axis = 0;
  int root = 0;  // position on the line, or in `members`: of broadcast and reduce
  Reduction reduction = Reduction::sum;
  // A broadcast's root only has an input (what it sends), its other members only an output; of a reduce only the root
  // has an output.
  BlockId input = -1, output = -1;
  Members members = {};
};

using Step = std::variant<LocalStep, CopyStep, CollectiveStep>;

// A block that the data loader fills: these rows of an input's batch, of a row of tokens those held here.
struct FeedBlock {
  std::string input;
  BlockId block = -1;
  std::int64_t first_row = 0, rows = 0;  // of the global batch, padded rows included
  Segments tokens;                       // of each row, where the input has a dimension s
};

enum class Phase : std::uint8_t { forward, backward, update };

// A run of steps: one instruction of the pipeline's schedule, or the updates.
struct Segment {
  std::size_t first = 0;  // position in the program's steps
  Phase phase = Phase::forward;
  int position = 0, micro_batch = 0;  // of the part of the model (parallel/pipeline/schedule.h)
};

struct Program {
  Mesh mesh;
  int rank = 0;
  Dimensions dimensions;
  std::vector<Block> blocks;
  std::vector<Step> steps;
  std::vector<Segment> segments;  // in the order of their steps; they cover all
  std::vector<FeedBlock> feeds;
  std::map<std::string, BlockId> persistent;  // parameters and states by name
  std::map<const Value*, BlockId> kept;       // fetched values
  // Bytes this rank sends in one run, by collective and axis.
  std::map<std::pair<Collective, Axis>, std::int64_t> bytes_sent;
  std::vector<std::pair<Axis, Members>> groups;  // parts of lines that have collectives of their own

  [[nodiscard]] const Segment& segment_of(std::size_t step) const;
  [[nodiscard]] std::size_t first(Phase phase) const;  // its first step; the number of steps where it has none
};

}  // namespace ctrain
