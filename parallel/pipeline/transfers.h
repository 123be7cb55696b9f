// The sends and receives of a schedule. The computations are timed once with unit costs, which puts them and the
// transfers between ranks (each when its tensor is computed) in one global order in which everything stands after what
// it needs. A rank's list is the part of that order that concerns it: a transfer is a send in one list and a receive in
// another, at one place of the global order. Hence
//   - nothing can deadlock, even if every send waits for its receive: of what is not yet done, the first in the global
//     order can always go on;
//   - both ends of a channel (an ordered pair of ranks) have its messages in the same order, so that they need no tags.
// A tensor that stays on its rank (at the turn of the V) is not transferred.
#pragma once

#include "parallel/pipeline/schedule.h"

namespace ctrain {

[[nodiscard]] Schedule with_transfers(const Schedule& computations);

}  // namespace ctrain
