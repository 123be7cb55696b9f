// The proof that a schedule is right, by walking its lists; nothing runs. A schedule without any backward is one for
// evaluation.
#pragma once

#include <vector>

#include "parallel/pipeline/schedule.h"

namespace ctrain {

// The most micro-batches at once of one chunk on its rank. All go by in order, so micro-batch m can have buffer m
// modulo this count.
struct ChunkBuffers {
  int stored = 0;       // activations kept, from the start of the forward to the end of the backward (weight part)
  int activations = 0;  // received, and their forward has not begun
  int gradients = 0;    // received, and their backward (input part) has not begun
};

struct ScheduleFacts {
  // Of each rank: the most (chunk, micro-batch) pairs whose activations are stored at once. Nothing is stored for
  // evaluation.
  std::vector<int> peak_activations;
  std::vector<std::vector<ChunkBuffers>> buffers;  // of each rank and chunk
};

// Throws a running error that names rank and instruction unless
//   - every rank has each forward and each backward (whole, or as both parts) of its chunks exactly once, and goes
//     through the micro-batches of a chunk in their order;
//   - every computation stands after what it needs: a forward after its activation, a backward after its forward and
//     its gradient, a weight part after its input part, a send after what computes its tensor;
//   - every send has its receive, and both ranks have the messages of a channel in the same order;
//   - all lists run to their end where every send waits until its receiver has come to the receive (rendezvous).
ScheduleFacts check_schedule(const Schedule& schedule);

}  // namespace ctrain
