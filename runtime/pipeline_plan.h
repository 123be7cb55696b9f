// How a job's model is cut into the stages of a pipeline, and in which order these work.
#pragma once

#include <string>
#include <vector>

#include "ops/graph.h"
#include "parallel/pipeline/schedule.h"

namespace ctrain {

struct PipelineOptions {
  int stages = 1, chunks = 1;
  int micro_batches = 1;              // of one batch
  std::string schedule = "1f1b";      // a name in the registry of schedules
  std::string partition = "uniform";  // balanced: by parameters; balanced_flops: by FLOPs; customized: at `cuts`
  std::vector<int> cuts;              // the first blocks of all parts but the first
  bool scatter_gather = true;         // PartitionOptions::scatter_gather
};

// The first block of every part of the model, by position. Usage errors as in parallel/pipeline/stage_cut.h, and where
// a part would have no parameters.
[[nodiscard]] std::vector<int> first_blocks(const Graph& graph, const PipelineOptions& pipeline);

// With the transfers. Several batches whose gradients are accumulated go through the pipeline as one, without a pause
// between them; evaluation has forwards alone, and one batch.
[[nodiscard]] Schedule schedule_of(const PipelineOptions& pipeline, int accumulated_batches, bool training);

}  // namespace ctrain
