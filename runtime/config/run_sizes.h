// How many ranks do what, and how many samples a step has: the mesh sizes and batch sizes of a run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/setting.h"
#include "runtime/pipeline_plan.h"

namespace ctrain {

struct RunSizes {
  int data = 1;             // data-parallel ranks
  int tensor = 1;           // ranks of one replica's tensors
  std::string tensor_mode;  // "1d", "2d", "2.5d", "3d", "sequence" or a mode of one's own; "" where tensor is 1
  int depth = 1;            // of 2.5d
  PipelineOptions pipeline;
  int accumulation = 1;  // batches of an optimizer step
  // Into how many parts the mode cuts the batch of a data-parallel rank, heads, widths, and an input's width.
  std::int64_t batch_ways = 1, head_ways = 1, width_ways = 1, input_ways = 1;
  std::int64_t global_batch = 0;  // of one batch
  std::int64_t batch_per_data_rank = 0;
  [[nodiscard]] int ranks_of_replica() const { return pipeline.stages * tensor; }
};

// From a tree that apply_schema() has made. world_size: the ranks that were started; unknown: as many as the
// configuration needs. Sizes that do not go together are added to the problems; what depends on them is then not
// checked, and the result is empty.
std::optional<RunSizes> resolve_run_sizes(const Setting& root, std::optional<std::int64_t> world_size,
                                          Problems& problems);

// The registered modes of tensor parallelism.
std::vector<std::string> tensor_modes();

// "128 and 132": the multiples of `divisor` next to a value that is none; for messages.
std::string nearest_multiples(std::int64_t value, std::int64_t divisor);
// "2 and 4": the divisors of `value` next to a count that is none.
std::string nearest_divisors(std::int64_t value, std::int64_t count);

}  // namespace ctrain
