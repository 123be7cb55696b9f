#include "parallel/pipeline/timetable.h"

#include <algorithm>
#include <limits>
#include <map>

namespace ctrain {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

// When something is there, for each position and micro-batch; never until it is set.
class Times {
 public:
  explicit Times(const Schedule& schedule)
      : micro_batches_(static_cast<std::size_t>(schedule.micro_batches)),
        times_(static_cast<std::size_t>(schedule.positions()) * micro_batches_, never) {}
  double& at(int position, int micro_batch) {
    return times_[static_cast<std::size_t>(position) * micro_batches_ + static_cast<std::size_t>(micro_batch)];
  }

 private:
  std::size_t micro_batches_;
  std::vector<double> times_;
};

class Simulation {
 public:
  Simulation(const Schedule& schedule, const std::vector<PartCosts>& costs)
      : schedule_(schedule),
        costs_(costs),
        forwards_(schedule),
        activations_(schedule),
        gradients_(schedule),
        inputs_(schedule),
        table_{schedule, {}, {}, {}, 0} {
    for (auto* spans : {&table_.computations, &table_.sends, &table_.receives}) spans->resize(schedule.ranks.size());
    for (int m = 0; m < schedule.micro_batches; ++m) {
      activations_.at(0, m) = 0;
      gradients_.at(schedule.positions() - 1, m) = 0;
    }
  }

  Timetable run() {
    std::vector<std::size_t> next(schedule_.ranks.size());
    bool progress = true;
    while (progress) {
      progress = false;
      for (std::size_t rank = 0; rank < next.size(); ++rank)
        while (next[rank] < schedule_.ranks[rank].size() && step(rank, schedule_.ranks[rank][next[rank]])) {
          ++next[rank];
          progress = true;
        }
    }
    const std::string waiting = waiting_ranks(schedule_, next);
    if (!waiting.empty()) throw running_error("pipeline schedule: what ranks compute waits for ever, {}", waiting);
    for (const std::vector<TimeSpan>& spans : table_.computations)
      if (!spans.empty()) table_.length = std::max(table_.length, spans.back().end);
    for (auto* spans : {&table_.sends, &table_.receives})  // a rank hears from both of its neighbours
      for (std::vector<TimeSpan>& list : *spans)
        std::stable_sort(list.begin(), list.end(),
                         [](const TimeSpan& a, const TimeSpan& b) { return a.start < b.start; });
    return std::move(table_);
  }

 private:
  // Runs an instruction if what it needs will have been there by some time.
  bool step(std::size_t rank, const Instruction& instruction) {
    if (!is_computation(instruction.action)) return true;
    require(schedule_.has(instruction), "rank {} has {}", rank, text(schedule_, instruction));
    const int position = schedule_.position({static_cast<int>(rank), instruction.chunk}), m = instruction.micro_batch;
    std::vector<TimeSpan>& done = table_.computations[rank];
    double start = done.empty() ? 0 : done.back().end;
    start = std::max(start, ready(instruction.action, position, m));
    if (start == never) return false;
    const double end = start + cost(instruction.action, position);
    done.push_back({instruction, start, end});
    const auto send = [&](Action action, double transfer) {
      return pass_on(rank, {action, instruction.chunk, m}, end, transfer);
    };
    if (instruction.action == Action::forward) {
      forwards_.at(position, m) = end;
      if (position + 1 < schedule_.positions())
        activations_.at(position + 1, m) = send(Action::send_activation, transfer_after(position));
    } else if (instruction.action != Action::backward_weight) {
      inputs_.at(position, m) = end;
      if (position > 0) gradients_.at(position - 1, m) = send(Action::send_gradient, transfer_after(position - 1));
    }
    return true;
  }

  double ready(Action action, int position, int micro_batch) {
    if (action == Action::forward) return activations_.at(position, micro_batch);
    if (action == Action::backward_weight) return inputs_.at(position, micro_batch);
    return std::max(forwards_.at(position, micro_batch), gradients_.at(position, micro_batch));
  }

  [[nodiscard]] double cost(Action action, int position) const {
    const PartCosts& part = costs_[static_cast<std::size_t>(position)];
    if (action == Action::forward) return part.forward;
    if (action == Action::backward_input) return part.backward_input;
    if (action == Action::backward_weight) return part.backward_weight;
    return part.backward_input + part.backward_weight;
  }

  [[nodiscard]] double transfer_after(int position) const {
    return costs_[static_cast<std::size_t>(position)].transfer;
  }

  // When the tensor that `send` takes along is at its reader: at once on the same rank.
  double pass_on(std::size_t rank, const Instruction& send, double computed, double transfer) {
    const std::optional<Counterpart> reader = counterpart(schedule_, static_cast<int>(rank), send);
    const auto to = static_cast<std::size_t>(reader->rank);
    if (to == rank) return computed;
    double& free = channel_free_[{rank, to}];
    const double start = std::max(computed, free);
    free = start + transfer;
    table_.sends[rank].push_back({send, start, free});
    table_.receives[to].push_back({reader->instruction, start, free});
    return free;
  }

  const Schedule& schedule_;
  const std::vector<PartCosts>& costs_;                // of each position
  Times forwards_, activations_, gradients_, inputs_;  // activations and gradients: at the position that takes them in
  std::map<std::pair<std::size_t, std::size_t>, double> channel_free_;
  Timetable table_;
};

}  // namespace

Timetable make_timetable(const Schedule& schedule, const std::vector<PartCosts>& costs) {
  require(static_cast<int>(costs.size()) == schedule.positions(), "costs of {} parts for {}", costs.size(),
          schedule.positions());
  return Simulation(schedule, costs).run();
}

Timetable make_timetable(const Schedule& schedule, const PartCosts& costs) {
  return make_timetable(schedule, std::vector<PartCosts>(static_cast<std::size_t>(schedule.positions()), costs));
}

double Timetable::busy(int rank) const {
  double sum = 0;
  for (const TimeSpan& span : computations[static_cast<std::size_t>(rank)]) sum += span.end - span.start;
  return sum;
}

double Timetable::ramp(int rank) const { return length - busy(rank) - idle_inside(rank); }

double Timetable::idle_inside(int rank) const {
  const std::vector<TimeSpan>& list = computations[static_cast<std::size_t>(rank)];
  return list.empty() ? 0 : list.back().end - list.front().start - busy(rank);
}

double Timetable::bubble() const {
  double idle = 0;
  for (int rank = 0; rank < schedule.stages; ++rank) idle += length - busy(rank);
  return length > 0 ? idle / (schedule.stages * length) : 0;
}

}  // namespace ctrain
