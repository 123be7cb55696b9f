// Pipeline schedules: what each stage (a rank of the mesh axis `pipe`) does in one step, in which order. A schedule is
// built by a pure function of three numbers, one file per schedule (gpipe.cpp, one_f_one_b.cpp ...), which registers
// itself by the name that a configuration gives. transfers.h adds the sends and receives, schedule_check.h proves the
// result, timetable.h times it.
//
// The model is cut into stages x chunks parts (stage_cut.h), numbered by position: 0 reads the data, the last computes
// the loss. Every instruction names the rank's own chunk and a micro-batch. Each action on a chunk goes through the
// micro-batches in their order, so that every schedule sums a gradient in the same order, to the same bits.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "memory/registry.h"

namespace ctrain {

enum class Action {
  forward,
  backward,         // both parts in one
  backward_input,   // the gradient of the chunk's input, which the part before it waits for
  backward_weight,  // the gradients of the chunk's parameters, which nobody waits for
  // Transfers with another rank. Each names the chunk on its own side:
  send_activation,     // the chunk's output
  receive_activation,  // the chunk's input
  send_gradient,       // the gradient of the chunk's input
  receive_gradient,    // the gradient of the chunk's output
};
[[nodiscard]] const char* name(Action action);
[[nodiscard]] bool is_computation(Action action);
[[nodiscard]] bool is_send(Action action);

struct Instruction {
  Action action = Action::forward;
  int chunk = 0, micro_batch = 0;
  bool operator==(const Instruction&) const = default;
};

// Which rank has the part of the model at a position.
enum class Placement {
  loop,  // position = chunk * stages + rank: every chunk goes down the ranks from the first (one chunk: the plain case)
  vee,   // chunk 0 goes down the ranks and chunk 1 comes back up, so that the first rank also has the last part
};

struct Place {
  int rank = 0, chunk = 0;
};

struct Schedule {
  int stages = 1, chunks = 1, micro_batches = 1;
  Placement placement = Placement::loop;
  std::vector<std::vector<Instruction>> ranks;  // of each stage, in order

  [[nodiscard]] int positions() const { return stages * chunks; }
  [[nodiscard]] bool has(const Instruction& instruction) const;  // its chunk and its micro-batch exist
  [[nodiscard]] int position(Place place) const;
  [[nodiscard]] Place place(int position) const;
  // Where the part before (step -1) or after (+1) this one stands; none at the ends of the model.
  [[nodiscard]] std::optional<Place> neighbour(Place place, int step) const;
};

// The other side of a transfer: its rank, and the instruction that it has there; none where the model ends.
struct Counterpart {
  int rank = 0;
  Instruction instruction;
};
[[nodiscard]] std::optional<Counterpart> counterpart(const Schedule& schedule, int rank, const Instruction& transfer);

// "forward of micro-batch 3", "send_activation of micro-batch 0, chunk 1" where there are several chunks.
[[nodiscard]] std::string text(const Schedule& schedule, const Instruction& instruction);

// For messages about a deadlock: what every rank stands at that is not through its list, where `next` is the place of
// its next instruction: "rank 0 in forward of micro-batch 1; rank 2 in ...". Empty where all are through.
[[nodiscard]] std::string waiting_ranks(const Schedule& schedule, const std::vector<std::size_t>& next);

struct ScheduleDefinition {
  std::optional<int> chunks;  // per stage; none: two or more, as the user says
  Placement placement = Placement::loop;
  bool multiple = false;  // the micro-batches must be a multiple of the stages
  // The computations of one rank, in order. The numbers have been checked.
  std::function<std::vector<Instruction>(int stages, int rank, int chunks, int micro_batches)> order;
};
using ScheduleRegistration = Registration<ScheduleDefinition>;

// The computations of the schedule `name`, without transfers. A usage error where there is none of that name, or it
// does not take these numbers.
[[nodiscard]] Schedule make_schedule(const std::string& name, int stages, int chunks, int micro_batches);

// For evaluation: a schedule's forwards alone.
[[nodiscard]] Schedule forwards_only(const Schedule& schedule);

// How many forwards a rank runs before it takes turns of one forward and one backward, as Colossal-AI documents: with
// one chunk (1F1B, and ZB-H1 for its input gradients), and interleaved, where a forward is that of one chunk.
[[nodiscard]] int warm_up(int stages, int rank, int micro_batches);
[[nodiscard]] int interleaved_warm_up(int stages, int rank, int chunks, int micro_batches);

}  // namespace ctrain
