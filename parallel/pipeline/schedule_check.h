// The proof that a schedule is right, by walking its lists; nothing runs. A schedule without any backward is one for
// evaluation.
#pragma once

#include <vector>

#include "parallel/pipeline/schedule.h"

namespace ctrain {

struct ScheduleFacts {
  // Of each rank: the most (chunk, micro-batch) pairs whose activations are stored at once, from the start of their
  // forward to the end of their backward (of its weight part, where it is split). Nothing is stored for evaluation.
  std::vector<int> peak_activations;
};

// Throws a running error that names rank and instruction unless
//   - every rank has each forward and each backward (whole, or as both parts) of its chunks exactly once;
//   - every computation stands after what it needs: a forward after its activation, a backward after its forward and
//   its
//     gradient, a weight part after its input part, a send after what computes its tensor;
//   - every send has its receive, and both ranks have the messages of a channel in the same order;
//   - all lists run to their end where every send waits for its receive (rendezvous), computations take no time.
ScheduleFacts check_schedule(const Schedule& schedule);

}  // namespace ctrain
