#include "parallel/pipeline/schedule.h"

namespace ctrain {

const char* name(Action action) {
  switch (action) {
    case Action::forward:
      return "forward";
    case Action::backward:
      return "backward";
    case Action::backward_input:
      return "backward_input";
    case Action::backward_weight:
      return "backward_weight";
    case Action::send_activation:
      return "send_activation";
    case Action::receive_activation:
      return "receive_activation";
    case Action::send_gradient:
      return "send_gradient";
    case Action::receive_gradient:
      return "receive_gradient";
  }
  throw running_error("unknown action {}", static_cast<int>(action));
}

bool is_computation(Action action) { return action <= Action::backward_weight; }

bool is_send(Action action) { return action == Action::send_activation || action == Action::send_gradient; }

bool Schedule::has(const Instruction& instruction) const {
  return 0 <= instruction.chunk && instruction.chunk < chunks && 0 <= instruction.micro_batch &&
         instruction.micro_batch < micro_batches;
}

int Schedule::position(Place place) const {
  const bool upwards = placement == Placement::vee && place.chunk == 1;
  return place.chunk * stages + (upwards ? stages - 1 - place.rank : place.rank);
}

Place Schedule::place(int position) const {
  const int chunk = position / stages, along = position % stages;
  const bool upwards = placement == Placement::vee && chunk == 1;
  return {upwards ? stages - 1 - along : along, chunk};
}

std::optional<Place> Schedule::neighbour(Place from, int step) const {
  const int next = position(from) + step;
  if (next < 0 || next >= positions()) return {};
  return place(next);
}

std::optional<Counterpart> counterpart(const Schedule& schedule, int rank, const Instruction& transfer) {
  const auto at = [&](int step, Action action) -> std::optional<Counterpart> {
    const std::optional<Place> other = schedule.neighbour({rank, transfer.chunk}, step);
    if (!other) return {};
    return Counterpart{other->rank, {action, other->chunk, transfer.micro_batch}};
  };
  switch (transfer.action) {
    case Action::send_activation:
      return at(+1, Action::receive_activation);
    case Action::receive_activation:
      return at(-1, Action::send_activation);
    case Action::send_gradient:
      return at(-1, Action::receive_gradient);
    case Action::receive_gradient:
      return at(+1, Action::send_gradient);
    default:
      return {};
  }
}

std::string text(const Schedule& schedule, const Instruction& instruction) {
  return fmt::format("{} of micro-batch {}{}", name(instruction.action), instruction.micro_batch,
                     schedule.chunks > 1 ? fmt::format(", chunk {}", instruction.chunk) : "");
}

std::string waiting_ranks(const Schedule& schedule, const std::vector<std::size_t>& next) {
  std::vector<std::string> waiting;
  for (std::size_t rank = 0; rank < next.size(); ++rank)
    if (next[rank] < schedule.ranks[rank].size())
      waiting.push_back(fmt::format("rank {} in {}", rank, text(schedule, schedule.ranks[rank][next[rank]])));
  return fmt::format("{}", fmt::join(waiting, "; "));
}

Schedule make_schedule(const std::string& name, int stages, int chunks, int micro_batches) {
  const auto& registry = Registry<ScheduleDefinition>::instance();
  const ScheduleDefinition* definition = registry.find(name);
  if (definition == nullptr)
    throw usage_error("pipeline schedule '{}': expected one of {}", name, fmt::join(registry.names(), ", "));
  if (stages < 1) throw usage_error("pipeline of {} stages: expected 1 or more", stages);
  if (micro_batches < 1) throw usage_error("{} micro-batches: expected 1 or more", micro_batches);
  if (definition->chunks && chunks != *definition->chunks)
    throw usage_error("{} chunks per stage: schedule {} has {}", chunks, name, *definition->chunks);
  if (!definition->chunks && chunks < 2)
    throw usage_error("{} chunks per stage: schedule {} takes 2 or more", chunks, name);
  if (definition->multiple && micro_batches % stages != 0) {
    const int below = micro_batches / stages * stages, above = below + stages;
    throw usage_error("{} micro-batches: schedule {} takes a multiple of its {} stages; nearest {}", micro_batches,
                      name, stages, below > 0 ? fmt::format("{} and {}", below, above) : fmt::to_string(above));
  }
  Schedule schedule{stages, chunks, micro_batches, definition->placement, {}};
  for (int rank = 0; rank < stages; ++rank)
    schedule.ranks.push_back(definition->order(stages, rank, chunks, micro_batches));
  return schedule;
}

Schedule forwards_only(const Schedule& schedule) {
  Schedule result = schedule;
  for (std::vector<Instruction>& list : result.ranks)
    std::erase_if(list, [](const Instruction& instruction) { return instruction.action != Action::forward; });
  return result;
}

}  // namespace ctrain
