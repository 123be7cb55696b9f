// A batch that comes in micro-batches, one after the other: each rank of the data axis takes its rows in as many
// contiguous parts. To layouts this is one more axis that splits the batch, the mesh's last, whose coordinate is a turn
// in time instead of a place: the same rank has all of its blocks. No collective ever runs along it; what is summed
// over the batch is added up from turn to turn (lowering.h).
#pragma once

#include <optional>

#include "parallel/tensor/mode.h"

namespace ctrain {

// The mode with that axis; the mode itself for one micro-batch.
[[nodiscard]] Mode with_micro_batches(Mode mode, int micro_batches);

// What exists or runs once per micro-batch: values over the batch (the dimension b), and nodes that read or make one.
[[nodiscard]] bool is_over_batch(const Value& value);
[[nodiscard]] bool is_over_batch(const Node& node);

// The axis, where the mode has it.
[[nodiscard]] std::optional<Axis> micro_batch_axis(const Mesh& mesh);

}  // namespace ctrain
