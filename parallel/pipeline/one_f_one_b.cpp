// 1F1B without flushes inside a step (Narayanan et al. 2021, "Efficient Large-Scale Language Model Training on GPU
// Clusters Using Megatron-LM", section 2.2.1; Colossal-AI's PipelineSchedule): after its warm-up a rank takes turns of
// one forward and the oldest backward. With P stages, M micro-batches and equal costs:
//   bubble (P - 1) / (M + P - 1)      stored activations min(M, P - rank)
#include <algorithm>

#include "parallel/pipeline/schedule.h"

namespace ctrain {

int warm_up(int stages, int rank, int micro_batches) { return std::min(stages - rank - 1, micro_batches); }

namespace {

std::vector<Instruction> order(int stages, int rank, int, int micro_batches) {
  std::vector<Instruction> list;
  int forwards = 0;
  while (forwards < warm_up(stages, rank, micro_batches)) list.push_back({Action::forward, 0, forwards++});
  for (int backwards = 0; backwards < micro_batches; ++backwards) {
    if (forwards < micro_batches) list.push_back({Action::forward, 0, forwards++});
    list.push_back({Action::backward, 0, backwards});
  }
  return list;
}

const ScheduleRegistration registration("1f1b", {1, Placement::loop, false, order});

}  // namespace
}  // namespace ctrain
