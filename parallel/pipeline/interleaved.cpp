// Interleaved 1F1B (Narayanan et al. 2021, "Efficient Large-Scale Language Model Training on GPU Clusters Using
// Megatron-LM", section 2.2.2; Colossal-AI's InterleavedPipelineSchedule): the micro-batches go in groups of one per
// stage through one chunk after the other. With P stages, C chunks, M micro-batches (a multiple of P), equal costs:
//   bubble (P - 1) / (C M + P - 1)      stored activations, of one chunk each: min(warm-up + 1, C M)
#include <algorithm>

#include "parallel/pipeline/schedule.h"

namespace ctrain {

int interleaved_warm_up(int stages, int rank, int chunks, int micro_batches) {
  const int total = micro_batches * chunks;
  if (micro_batches == stages) return total;  // one group: nothing to take turns with
  return std::min(2 * (stages - rank - 1) + (chunks - 1) * stages, total);
}

namespace {

std::vector<Instruction> order(int stages, int rank, int chunks, int micro_batches) {
  const int total = micro_batches * chunks;
  // Number `count` of the forwards, or of the backwards: those go through the chunks from the last to the first.
  const auto step = [=](Action action, int count) -> Instruction {
    const int group = count / (stages * chunks), chunk = count % (stages * chunks) / stages;
    return {action, action == Action::forward ? chunk : chunks - 1 - chunk, group * stages + count % stages};
  };
  std::vector<Instruction> list;
  int forwards = 0;
  while (forwards < interleaved_warm_up(stages, rank, chunks, micro_batches))
    list.push_back(step(Action::forward, forwards++));
  for (int backwards = 0; backwards < total; ++backwards) {
    if (forwards < total) list.push_back(step(Action::forward, forwards++));
    list.push_back(step(Action::backward, backwards));
  }
  return list;
}

const ScheduleRegistration registration("interleaved", {{}, Placement::loop, true, order});

}  // namespace
}  // namespace ctrain
