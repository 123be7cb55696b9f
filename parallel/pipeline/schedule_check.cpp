#include "parallel/pipeline/schedule_check.h"

#include <algorithm>
#include <array>

namespace ctrain {
namespace {

constexpr std::size_t action_count = static_cast<std::size_t>(Action::receive_gradient) + 1;

bool has_backward(const Schedule& schedule) {
  for (const auto& list : schedule.ranks)
    for (const Instruction& instruction : list)
      if (is_computation(instruction.action) && instruction.action != Action::forward) return true;
  return false;
}

// One rank's list, from its first to its last instruction.
class RankWalk {
 public:
  RankWalk(const Schedule& schedule, int rank, bool training)
      : schedule_(schedule),
        rank_(rank),
        training_(training),
        buffers_(static_cast<std::size_t>(schedule.chunks)),
        counts_(static_cast<std::size_t>(schedule.chunks)) {}

  void run() {
    for (const Instruction& instruction : schedule_.ranks[static_cast<std::size_t>(rank_)]) {
      check_range(instruction);
      check_needs(instruction);
      mark(instruction);
      measure(instruction);
    }
    for (int chunk = 0; chunk < schedule_.chunks; ++chunk) check_complete(chunk);
  }
  [[nodiscard]] int peak_activations() const { return peak_; }
  [[nodiscard]] const std::vector<ChunkBuffers>& buffers() const { return buffers_; }

 private:
  void check_range(const Instruction& instruction) const {
    if (!schedule_.has(instruction))
      fail(instruction,
           fmt::format("is outside of {} chunks and {} micro-batches", schedule_.chunks, schedule_.micro_batches));
    if (!is_computation(instruction.action) && !transfers(instruction))
      fail(instruction, "has no other rank to talk to");
  }

  // What must stand before an instruction in the same list.
  void check_needs(const Instruction& instruction) {
    const auto& [action, chunk, m] = instruction;
    switch (action) {
      case Action::forward:
        return need_tensor(instruction, -1, Action::receive_activation, Action::forward);
      case Action::backward:
      case Action::backward_input:
        need(instruction, {Action::forward, chunk, m});
        return need_tensor(instruction, +1, Action::receive_gradient, Action::backward_input);
      case Action::backward_weight:
        return need(instruction, {Action::backward_input, chunk, m});
      case Action::send_activation:
        return need(instruction, {Action::forward, chunk, m});
      case Action::send_gradient:
        return need(instruction, {Action::backward_input, chunk, m});
      case Action::receive_activation:
      case Action::receive_gradient:
        return;
    }
  }

  // A tensor from the part before (-1) or after (+1): received, or computed here; the model's ends need none.
  void need_tensor(const Instruction& instruction, int step, Action receive, Action computation) {
    const std::optional<Place> from = schedule_.neighbour({rank_, instruction.chunk}, step);
    if (!from) return;
    if (from->rank == rank_) return need(instruction, {computation, from->chunk, instruction.micro_batch});
    need(instruction, {receive, instruction.chunk, instruction.micro_batch});
  }

  void need(const Instruction& instruction, const Instruction& before) {
    if (count(before.action, before.chunk) <= before.micro_batch)
      fail(instruction, fmt::format("does not stand after {}", text(schedule_, before)));
  }

  // A whole backward counts as both parts.
  void mark(const Instruction& instruction) {
    if (instruction.action != Action::backward) return mark(instruction, instruction.action);
    mark(instruction, Action::backward_input);
    mark(instruction, Action::backward_weight);
  }
  void mark(const Instruction& instruction, Action action) {
    int& next = count(action, instruction.chunk);
    if (instruction.micro_batch != next) fail(instruction, fmt::format("is out of turn: micro-batch {} is next", next));
    ++next;
  }

  void measure(const Instruction& instruction) {
    const int chunk = instruction.chunk;
    ChunkBuffers& now = buffers_[static_cast<std::size_t>(chunk)];
    const auto waiting = [&](int& most, Action begun, Action ended) {
      most = std::max(most, count(begun, chunk) - count(ended, chunk));
    };
    waiting(now.activations, Action::receive_activation, Action::forward);
    waiting(now.gradients, Action::receive_gradient, Action::backward_input);
    if (!training_) return;
    waiting(now.stored, Action::forward, Action::backward_weight);
    int stored = 0;
    for (int c = 0; c < schedule_.chunks; ++c) stored += count(Action::forward, c) - count(Action::backward_weight, c);
    peak_ = std::max(peak_, stored);
  }

  void check_complete(int chunk) {
    for (const Action action : {Action::forward, Action::send_activation, Action::backward_input,
                                Action::backward_weight, Action::send_gradient}) {
      const Instruction next{action, chunk, count(action, chunk)};
      const bool backwards = action != Action::forward && action != Action::send_activation;
      if (next.micro_batch == schedule_.micro_batches) continue;
      if ((backwards && !training_) || (is_send(action) && !transfers(next))) continue;
      fail(next, "is missing");
    }
  }

  [[nodiscard]] bool transfers(const Instruction& transfer) const {
    const std::optional<Counterpart> other = counterpart(schedule_, rank_, transfer);
    return other && other->rank != rank_;
  }

  // How many micro-batches of a chunk have had this action.
  int& count(Action action, int chunk) {
    return counts_[static_cast<std::size_t>(chunk)][static_cast<std::size_t>(action)];
  }

  [[noreturn]] void fail(const Instruction& instruction, const std::string& problem) const {
    throw running_error("pipeline schedule, rank {}: {} {}", rank_, text(schedule_, instruction), problem);
  }

  const Schedule& schedule_;
  int rank_;
  bool training_;
  std::vector<ChunkBuffers> buffers_;
  std::vector<std::array<int, action_count>> counts_;  // of each chunk
  int peak_ = 0;
};

// The messages of each channel: what one rank sends in its order, as the receives that the other should have.
void check_channels(const Schedule& schedule) {
  const auto ranks = schedule.ranks.size();
  std::vector<std::vector<Instruction>> sent(ranks * ranks), received(ranks * ranks);
  for (std::size_t rank = 0; rank < ranks; ++rank)
    for (const Instruction& instruction : schedule.ranks[rank]) {
      if (is_computation(instruction.action)) continue;
      const Counterpart other = *counterpart(schedule, static_cast<int>(rank), instruction);
      const auto peer = static_cast<std::size_t>(other.rank);
      if (is_send(instruction.action))
        sent[rank * ranks + peer].push_back(other.instruction);
      else
        received[peer * ranks + rank].push_back(instruction);
    }
  for (std::size_t channel = 0; channel < sent.size(); ++channel) {
    const std::size_t from = channel / ranks, to = channel % ranks;
    const auto& out = sent[channel];
    const auto& in = received[channel];
    const auto [o, i] = std::mismatch(out.begin(), out.end(), in.begin(), in.end());
    if (o == out.end() && i == in.end()) continue;
    const std::string message = fmt::format("pipeline schedule, from rank {} to rank {}: ", from, to);
    if (i == in.end()) throw running_error("{}{} is missing", message, text(schedule, *o));
    if (o == out.end()) throw running_error("{}{} has no send", message, text(schedule, *i));
    throw running_error("{}out of order, {} meets the send for {}", message, text(schedule, *i), text(schedule, *o));
  }
}

// Every send waits until its receiver stands at the receive.
void check_rendezvous(const Schedule& schedule) {
  std::vector<std::size_t> next(schedule.ranks.size());
  const auto current = [&](std::size_t rank) -> const Instruction* {
    return next[rank] < schedule.ranks[rank].size() ? &schedule.ranks[rank][next[rank]] : nullptr;
  };
  const auto advance = [&](std::size_t rank) {
    const Instruction& instruction = *current(rank);
    if (!is_computation(instruction.action)) {
      const Counterpart other = *counterpart(schedule, static_cast<int>(rank), instruction);
      const auto peer = static_cast<std::size_t>(other.rank);
      if (current(peer) == nullptr || !(*current(peer) == other.instruction)) return false;
      ++next[peer];
    }
    ++next[rank];
    return true;
  };
  bool progress = true;
  while (progress) {
    progress = false;
    for (std::size_t rank = 0; rank < next.size(); ++rank)
      while (current(rank) != nullptr && advance(rank)) progress = true;
  }
  const std::string waiting = waiting_ranks(schedule, next);
  if (!waiting.empty()) throw running_error("pipeline schedule: deadlock, {}", waiting);
}

}  // namespace

ScheduleFacts check_schedule(const Schedule& schedule) {
  if (static_cast<int>(schedule.ranks.size()) != schedule.stages)
    throw running_error("pipeline schedule: {} lists for {} stages", schedule.ranks.size(), schedule.stages);
  const bool training = has_backward(schedule);
  ScheduleFacts facts;
  for (int rank = 0; rank < schedule.stages; ++rank) {
    RankWalk walk(schedule, rank, training);
    walk.run();
    facts.peak_activations.push_back(walk.peak_activations());
    facts.buffers.push_back(walk.buffers());
  }
  check_channels(schedule);
  check_rendezvous(schedule);
  return facts;
}

}  // namespace ctrain
