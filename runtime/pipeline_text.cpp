#include "runtime/pipeline_text.h"

#include <fmt/ranges.h>

#include "runtime/console/table.h"
#include "runtime/pipeline_facts.h"

namespace ctrain {
namespace {

constexpr int timetable_width = 118;

std::string range_text(const BlockRange& range) {
  return range.last - range.first == 1 ? fmt::to_string(range.first)
                                       : fmt::format("{}-{}", range.first, range.last - 1);
}

std::string stages_text(const PipelineFacts& facts) {
  constexpr Table::Align right = Table::Align::right;
  const Schedule& schedule = facts.timetable.schedule;
  Table table({{"stage", right},
               {"blocks"},
               {"parameters", right},
               {"forward FLOPs", right},
               {"backward FLOPs", right},
               {"stored at most", right},
               {"idle", right}});
  for (int stage = 0; stage < schedule.stages; ++stage) {
    std::vector<std::string> blocks;
    double forward = 0, backward = 0;
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      const PartFacts& part = facts.parts[static_cast<std::size_t>(schedule.position({stage, chunk}))];
      blocks.push_back(range_text(part.blocks));
      forward += part.forward;
      backward += part.backward_input + part.backward_weight;
    }
    const StageFacts& of = facts.stages[static_cast<std::size_t>(stage)];
    const double idle = 1 - facts.timetable.busy(stage) / facts.timetable.length;
    table.add_row({fmt::to_string(stage), fmt::format("{}", fmt::join(blocks, ", ")), fmt::to_string(of.parameters),
                   fmt::format("{:.6g}", forward), fmt::format("{:.6g}", backward), fmt::to_string(of.stored),
                   fmt::format("{:.1f} %", 100 * idle)});
  }
  return table.text();
}

}  // namespace

std::string pipeline_text(const Plan& plan) {
  const PipelineOptions& pipeline = plan.pipeline;
  if (pipeline.stages * pipeline.chunks == 1) return "";
  const PipelineFacts facts = pipeline_facts(plan);
  std::string text = fmt::format("Pipeline: {} of {} stages", pipeline.schedule, pipeline.stages);
  if (pipeline.chunks > 1) text += fmt::format(" with {} chunks each", pipeline.chunks);
  text += fmt::format("; {} partition; {} micro-batches a step\n\n", pipeline.partition,
                      facts.timetable.schedule.micro_batches);
  text += stages_text(facts);
  text += fmt::format(
      "stored: micro-batches of a part whose activations are kept at once; idle in all (bubble): {:.1f} %\n\n",
      100 * facts.timetable.bubble());
  return text + draw(facts.timetable, timetable_width);
}

}  // namespace ctrain
