// The partition pass: logical graph -> one rank's program. One pass over forward and backward alike; where the model is
// cut into the stages of a pipeline, in the order of its schedule.
//
// home      Every value has a home layout: a parameter its stored one (also for its gradient and states); a value with
//           a feature name what the mode's table says; any other what it was produced in, with partial sums resolved.
// claims    An op runs locally under an assignment of dimension names to mesh axes, each axis used once. Claims in
//           order: a product asks the table for its output, then its operands; any other op asks its main operand, then
//           the table (for names it generates), then the rest. Operands are redistributed from home where theirs
//           differs.
// partial   An op leaves its output partial over the axes of names that it contracts. It is brought home at its first
//           reader, once. Only sums let partial values through, those of equal layout: so gradients that come in
//           several contributions are reduced once.
// pipeline  A rank's instructions are unrolled into its one list of steps, each with the blocks of its micro-batch;
// what
//           crosses a boundary between stages is sent in the layout of the mode's table, or a finer one. See
//           pipeline/stage_map.h.
// SUMMA     is used exactly where two names of a product want the same axis (parallel/tensor/summa.h), and a ring where
//           attention meets split tokens (parallel/tensor/ring_attention.h).
#pragma once

#include <vector>

#include "ops/graph.h"
#include "parallel/pipeline/schedule.h"
#include "parallel/program.h"
#include "parallel/tensor/mode.h"

namespace ctrain {

struct PartitionOptions {
  std::uint64_t seed = 0;      // of dropout masks
  bool keep_gathered = false;  // keep gathered operands for the backward pass instead of gathering them again
  // Values to bring home and keep until the end: those that lie as a parameter on its stages, others on all.
  std::vector<Value*> fetch;
  // Forwards alone, for graphs without a backward pass. The stages are those of the mode's axis `pipe`.
  Schedule schedule = make_schedule("1f1b", 1, 1, 1);
  std::vector<int> first_blocks = {0};  // of the model's parts, by position (pipeline/stage_cut.h)
  // What lies whole on all ranks of a tensor group (1d's residual stream) crosses a boundary in parts: each rank sends
  // its own, and the receivers gather them. Colossal-AI's scatter-gather.
  bool scatter_gather = true;
};

[[nodiscard]] Program partition(const Graph& graph, const Mode& mode, int rank, const PartitionOptions& options);

}  // namespace ctrain
