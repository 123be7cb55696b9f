// GPipe (Huang et al. 2018, "GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism", section
// 2.3): all forwards, then all backwards. With P stages, M micro-batches and equal costs:
//   bubble (P - 1) / (M + P - 1)      stored activations M on every rank
#include "parallel/pipeline/schedule.h"

namespace ctrain {
namespace {

std::vector<Instruction> order(int, int, int, int micro_batches) {
  std::vector<Instruction> list;
  for (const Action action : {Action::forward, Action::backward})
    for (int micro_batch = 0; micro_batch < micro_batches; ++micro_batch) list.push_back({action, 0, micro_batch});
  return list;
}

const ScheduleRegistration registration("gpipe", {1, Placement::loop, false, order});

}  // namespace
}  // namespace ctrain
