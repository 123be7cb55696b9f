// The pipeline of a run: stages, chunks, micro-batches, and which schedule orders them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/config/setting.h"
#include "runtime/pipeline_plan.h"

namespace ctrain {

// From a tree that apply_schema() has made: `parallel.pipeline`, NUM_CHUNKS and NUM_MICRO_BATCHES. What does not go
// together is added to the problems; empty where the model's parts are not known then.
[[nodiscard]] std::optional<PipelineOptions> resolve_pipeline(const Setting& root, Problems& problems);

// Adds what keeps a model of so many blocks from being cut as the options say.
void check_cut(const Setting& root, const PipelineOptions& pipeline, int blocks, Problems& problems);

// The registered schedules.
[[nodiscard]] std::vector<std::string> pipeline_schedules();

}  // namespace ctrain
