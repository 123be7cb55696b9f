#include "runtime/pipeline_facts.h"

#include "parallel/pipeline/schedule_check.h"
#include "parallel/pipeline/stage_map.h"

namespace ctrain {
namespace {

constexpr double operations_a_second = 1e12;

double flops_of(const std::vector<const Node*>& nodes) {
  double flops = 0;
  for (const Node* node : nodes) flops += node->flops();
  return flops;
}

}  // namespace

PipelineFacts pipeline_facts(const Plan& plan) {
  const Graph& graph = *plan.training.graph.graph;
  const Schedule schedule = schedule_of(plan.pipeline, plan.accumulation, true);
  const std::vector<int> firsts = first_blocks(graph, plan.pipeline);
  const StageMap map(graph, schedule, firsts);

  PipelineFacts facts;
  std::vector<PartCosts> costs;
  const double shares = static_cast<double>(plan.mesh.size()) / schedule.stages * schedule.micro_batches;
  for (int position = 0; position < schedule.positions(); ++position) {
    const auto at = static_cast<std::size_t>(position);
    const int last = at + 1 < firsts.size() ? firsts[at + 1] : graph.blocks();
    const PartFacts part{{firsts[at], last},
                         flops_of(map.main_nodes(position, Action::forward)),
                         flops_of(map.main_nodes(position, Action::backward_input)),
                         flops_of(map.main_nodes(position, Action::backward_weight))};
    const auto seconds = [&](double flops) { return flops / shares / operations_a_second; };
    costs.push_back({seconds(part.forward), seconds(part.backward_input), seconds(part.backward_weight)});
    facts.parts.push_back(part);
  }
  facts.timetable = make_timetable(schedule, costs);
  for (const int stored : check_schedule(schedule).peak_activations) facts.stages.push_back({0, stored});
  for (const Value* parameter : graph.parameters())
    for (const int stage : map.stages(parameter))
      facts.stages[static_cast<std::size_t>(stage)].parameters += graph.elements(parameter->dims);
  return facts;
}

}  // namespace ctrain
