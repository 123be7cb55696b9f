// ZB-H1 (Qi, Wan, Huang, Lin 2023, "Zero Bubble Pipeline Parallelism", section 2.1): 1F1B whose backwards pass on the
// gradient of their input at once, and whose weight parts trail by `rank` micro-batches, so that they fill the end of
// the step. With P stages, M micro-batches and equal costs of the three parts:
//   bubble I / (3 M + I), I = max(P - 1, 2 (P - 1) - (M - 1)): a third of 1F1B's from M >= P on
//   stored activations, until the weight part: min(M, P) on every rank, which is 1F1B's on its first
#include <algorithm>

#include "parallel/pipeline/schedule.h"

namespace ctrain {
namespace {

std::vector<Instruction> order(int stages, int rank, int, int micro_batches) {
  std::vector<Instruction> list;
  int forwards = 0, weights = 0;
  while (forwards < warm_up(stages, rank, micro_batches)) list.push_back({Action::forward, 0, forwards++});
  for (int inputs = 0; inputs < micro_batches; ++inputs) {
    if (forwards < micro_batches) list.push_back({Action::forward, 0, forwards++});
    list.push_back({Action::backward_input, 0, inputs});
    if (inputs >= rank) list.push_back({Action::backward_weight, 0, weights++});
  }
  while (weights < micro_batches) list.push_back({Action::backward_weight, 0, weights++});
  return list;
}

const ScheduleRegistration registration("zb_h1", {1, Placement::loop, false, order});

}  // namespace
}  // namespace ctrain
