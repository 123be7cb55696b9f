// ZBV (Qi, Wan, Huang, Lin 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 6, "ZB-V"; Qi, Wan,
// Amar, Lin 2024, "Pipeline Parallelism with Controllable Memory", which derives it as V-ZB): two chunks a rank in the
// shape of a V, so that the loss comes to life on the first rank and backwards begin early everywhere. With P stages, M
// micro-batches and equal costs of the three parts:
//   bubble I / (6 M + I), I = max(P - 1, 4 (P - 1) - 2 (M - 1)). From M >= 2 P - 1 on a rank has no idle time between
//   its first and its last computation: what is left is the ramp, P - 1 chunk forwards.
//   stored activations, of one chunk each, until the weight part: min(2 P, 2 M, M + 1 + rank), so from M >= 2 P - 1 on
//   the same on all ranks, and with half as large chunks as much as the first rank of 1F1B
#include <algorithm>
#include <array>

#include "parallel/pipeline/schedule.h"

namespace ctrain {
namespace {

// One rank's list. It is laid out for a count of micro-batches that fills the pipeline; those which the step does not
// have are left out.
class Order {
 public:
  Order(int stages, int rank, int micro_batches)
      : stages_(stages),
        rank_(rank),
        micro_batches_(micro_batches),
        filling_(std::max(micro_batches, 2 * stages - 1)) {}

  std::vector<Instruction> list() {
    start();
    while (forwards_[0] < filling_) {
      forward(0);
      turn();
    }
    while (forwards_[1] < filling_) turn();
    end();
    return std::move(list_);
  }

 private:
  // Chunk 0 until its first micro-batch is back from the turn of the V, then both chunks by turns until the first
  // gradient of chunk 1 is there, then chunk 1 with its backwards until that of chunk 0 is.
  void start() {
    for (int i = 0; i < 2 * (stages_ - rank_) - 1; ++i) forward(0);
    for (int i = 0; i < rank_; ++i) {
      forward(1);
      forward(0);
    }
    for (int i = 0; i < stages_ - rank_; ++i) {
      forward(1);
      backward(1);
    }
  }

  // The steady state, once chunk 0 has had its forward.
  void turn() {
    backward(0);
    forward(1);
    backward(1);
  }

  // Gradients go on first while ranks above wait for them; the weight parts that they leave behind fill the end.
  void end() {
    for (int i = 0; i < rank_; ++i)
      for (const int chunk : {0, 1}) add(Action::backward_input, chunk, inputs_);
    while (inputs_[0] < filling_) backward(0);
    for (const int chunk : {1, 0})
      while (weights_[chunk] < filling_) add(Action::backward_weight, chunk, weights_);
  }

  void forward(int chunk) { add(Action::forward, chunk, forwards_); }
  void backward(int chunk) {
    add(Action::backward_input, chunk, inputs_);
    add(Action::backward_weight, chunk, weights_);
  }
  void add(Action action, int chunk, std::array<int, 2>& count) {
    const int micro_batch = count[chunk]++;
    if (micro_batch < micro_batches_) list_.push_back({action, chunk, micro_batch});
  }

  int stages_, rank_, micro_batches_, filling_;
  std::array<int, 2> forwards_{}, inputs_{}, weights_{};  // per chunk, so far
  std::vector<Instruction> list_;
};

std::vector<Instruction> order(int stages, int rank, int, int micro_batches) {
  return Order(stages, rank, micro_batches).list();
}

const ScheduleRegistration registration("zbv", {2, Placement::vee, false, order});

}  // namespace
}  // namespace ctrain
