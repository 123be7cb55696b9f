#include "runtime/pipeline_check.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "memory/error.h"
#include "parallel/pipeline/micro_batches.h"
#include "parallel/pipeline/stage_map.h"

namespace ctrain {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr Name batch{'b'}, tokens{'s'};

// The shapes by which a user may know a value: each once, the local one first.
std::vector<Shape> known_shapes(const Value& value, const JobOptions& options, const Mode& mode,
                                const Dimensions& dimensions) {
  const Layout local = layout_from(mode.table(value.dims), value.dims);
  std::vector<Shape> shapes{dimensions.local_shape(value.dims, local, mode.mesh)};
  const std::int64_t micro_batch = options.global_batch / options.pipeline.micro_batches;
  for (const std::int64_t samples : {micro_batch / options.data, micro_batch}) {
    Shape whole;
    for (const Name name : value.dims) whole.push_back(name == batch ? samples : dimensions.extent(name));
    shapes.push_back(whole);
  }
  if (value.dims.size() > 1 && value.dims[0] == batch && value.dims[1] == tokens)
    for (std::size_t i = 0; i < 3; ++i) {
      Shape tokens_first = shapes[i];
      std::swap(tokens_first[0], tokens_first[1]);
      shapes.push_back(tokens_first);
    }
  std::vector<Shape> result;
  for (const Shape& shape : shapes)
    if (std::find(result.begin(), result.end(), shape) == result.end()) result.push_back(shape);
  return result;
}

void check_shape(const Setting& written, const std::vector<Shape>& known, Problems& problems) {
  Shape shape;
  for (const Setting& extent : written.list()) shape.push_back(extent.integer());
  if (std::find(known.begin(), known.end(), shape) != known.end()) return;
  std::vector<std::string> texts;
  for (const Shape& one : known) texts.push_back(fmt::format("[{}]", fmt::join(one, ", ")));
  problems.add(written, "TENSOR_SHAPE",
               fmt::format("{}, of what a stage hands to the next for a micro-batch", fmt::join(texts, " or ")));
}

}  // namespace

void check_pipeline(const Setting& root, const JobOptions& options, Problems& problems) {
  const PipelineOptions& pipeline = options.pipeline;
  if (pipeline.stages * pipeline.chunks == 1) return;
  const StepGraph step = build_step(*options.model, {false, options.sample, options.target}, options.global_batch,
                                    options.precision(), options.loss, options.optimizer);
  try {
    const Schedule schedule = schedule_of(pipeline, 1, false);
    const StageMap stages(*step.graph, schedule, first_blocks(*step.graph, pipeline));
    if (root["TENSOR_SHAPE"].is_null()) return;
    const Mode mode = with_micro_batches(mode_of(options), pipeline.micro_batches);
    const Dimensions dimensions = mode.dimensions(*step.graph);
    std::set<std::vector<Shape>> different;
    for (int position = 0; position + 1 < schedule.positions(); ++position)
      for (const Value* value : stages.activations_after(position))
        different.insert(known_shapes(*value, options, mode, dimensions));
    for (const std::vector<Shape>& known : different) check_shape(root["TENSOR_SHAPE"], known, problems);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    problems.refuse(root.at("parallel.pipeline.size"), "parallel.pipeline", error.what());
  }
}

}  // namespace ctrain
