#include "runtime/pipeline_plan.h"

#include <algorithm>

#include "memory/error.h"
#include "parallel/pipeline/stage_cut.h"
#include "parallel/pipeline/transfers.h"

namespace ctrain {
namespace {

std::vector<double> block_weights(const Graph& graph, bool by_flops) {
  std::vector<double> weights(static_cast<std::size_t>(graph.blocks()));
  if (by_flops) {
    for (const Node& node : graph.nodes()) weights[static_cast<std::size_t>(node.block)] += node.flops();
  } else {
    for (const Value* parameter : graph.parameters())
      weights[static_cast<std::size_t>(parameter->block)] += static_cast<double>(graph.elements(parameter->dims));
  }
  return weights;
}

std::vector<BlockRange> cut(const Graph& graph, const PipelineOptions& pipeline) {
  const int blocks = graph.blocks();
  if (pipeline.partition == "uniform") return uniform_cut(blocks, pipeline.stages, pipeline.chunks);
  if (pipeline.partition == "customized")
    return customized_cut(blocks, pipeline.cuts, pipeline.stages, pipeline.chunks);
  const bool by_flops = pipeline.partition == "balanced_flops";
  return balanced_cut(block_weights(graph, by_flops), pipeline.stages, pipeline.chunks);
}

}  // namespace

std::vector<int> first_blocks(const Graph& graph, const PipelineOptions& pipeline) {
  std::vector<int> result;
  const std::vector<double> parameters = block_weights(graph, false);
  for (const BlockRange& range : cut(graph, pipeline)) {
    const bool trains = std::any_of(parameters.begin() + range.first, parameters.begin() + range.last,
                                    [](double count) { return count > 0; });
    if (!trains)
      throw usage_error("part {} of the pipeline, block{} of the model, has no parameters; cut it elsewhere",
                        result.size(),
                        range.last - range.first == 1 ? fmt::format(" {}", range.first)
                                                      : fmt::format("s {} to {}", range.first, range.last - 1));
    result.push_back(range.first);
  }
  return result;
}

Schedule schedule_of(const PipelineOptions& pipeline, int accumulated_batches, bool training) {
  const int turns = pipeline.micro_batches * (training ? accumulated_batches : 1);
  const Schedule schedule = make_schedule(pipeline.schedule, pipeline.stages, pipeline.chunks, turns);
  return with_transfers(training ? schedule : forwards_only(schedule));
}

}  // namespace ctrain
