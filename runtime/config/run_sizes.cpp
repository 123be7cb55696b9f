#include "runtime/config/run_sizes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "parallel/tensor/mode.h"
#include "runtime/config/pipeline_sizes.h"

namespace ctrain {
namespace {

// The sizes next to one that the mode does not take: "4 and 9".
std::string nearest_sizes(const ModeDefinition& mode, TensorSize tensor) {
  const auto next = [&](int step) {
    for (TensorSize at = tensor; at.size > 1 && at.size < 1 << 24; at.size += step)
      if (takes(mode, at)) return at.size;
    return 1;
  };
  const int below = next(-1), above = next(1);
  return below > 1 ? fmt::format("{} and {}", below, above) : fmt::format("{}", above);
}

// Tensor size, depth and mode; false where they are wrong.
bool resolve_tensor(const Setting& root, RunSizes& sizes, Problems& problems) {
  const Setting* tensor = root.find_path("parallel.tensor");
  const Setting* size = tensor == nullptr ? nullptr : tensor->find("size");
  const Setting* mode = tensor == nullptr ? nullptr : tensor->find("mode");
  const Setting* depth = tensor == nullptr ? nullptr : tensor->find("depth");
  if (size == nullptr || mode == nullptr || depth == nullptr) return false;  // reported before
  sizes.tensor = static_cast<int>(size->integer());
  if (sizes.tensor == 1) return true;
  if (mode->is_null()) {
    problems.add(*size, "parallel.tensor",
                 fmt::format("{{size: {}, mode: ...}}: must give mode, one of {}", sizes.tensor,
                             fmt::join(tensor_modes(), ", ")));
    return false;
  }
  sizes.tensor_mode = mode->text();
  if (!depth->is_null()) sizes.depth = static_cast<int>(depth->integer());
  if (sizes.depth > 1 && sizes.tensor_mode != "2.5d") {
    problems.add(*depth, "parallel.tensor.depth",
                 fmt::format("1 under mode {}: depth belongs to 2.5d", sizes.tensor_mode));
    return false;
  }
  const auto& definition = Registry<ModeDefinition>::instance().get(sizes.tensor_mode);
  const TensorSize wanted{sizes.tensor, sizes.depth};
  if (!takes(definition, wanted)) {
    const std::string with_depth = sizes.tensor_mode == "2.5d" ? fmt::format(" and depth {}", sizes.depth) : "";
    problems.add(*size, "parallel.tensor.size",
                 fmt::format("{} under mode {}{}; nearest {}", definition.rule, sizes.tensor_mode, with_depth,
                             nearest_sizes(definition, wanted)));
    return false;
  }
  const Mode made = make_mode(sizes.tensor_mode, 1, wanted);
  sizes.batch_ways = made.multiples.at('b');
  sizes.head_ways = made.mesh.size(lookup(made.inner, {'n'}));
  sizes.input_ways = made.mesh.size(lookup(made.stream, {'h'}));
  sizes.width_ways = made.widths;
  return true;
}

bool resolve_data(const Setting& root, std::optional<std::int64_t> world_size, RunSizes& sizes, Problems& problems) {
  const Setting* data = root.find_path("parallel.data");
  if (data == nullptr) return false;
  if (!data->is_null()) {
    sizes.data = static_cast<int>(data->integer());
    const std::int64_t needed = std::int64_t{sizes.data} * sizes.ranks_of_replica();
    if (!world_size || *world_size == needed) return true;
    problems.add(*data, "parallel.data",
                 fmt::format("data * pipeline * tensor to be the number of ranks, {}, but {} * {} * {} is {}",
                             *world_size, sizes.data, sizes.pipeline.stages, sizes.tensor, needed));
    return false;
  }
  if (!world_size) return true;
  const int replica = sizes.ranks_of_replica();
  const bool fits = *world_size >= 1 && *world_size <= std::numeric_limits<int>::max() && *world_size % replica == 0;
  if (!fits) {
    const std::string key = sizes.tensor > 1 ? "parallel.tensor.size" : "parallel.pipeline.size";
    problems.add(
        root.at(key), key,
        fmt::format("pipeline * tensor, {} * {}, to be a divisor of the number of ranks, {}; nearest numbers "
                    "of ranks for these sizes: {}",
                    sizes.pipeline.stages, sizes.tensor, *world_size, nearest_multiples(*world_size, replica)));
    return false;
  }
  sizes.data = static_cast<int>(*world_size / replica);
  return true;
}

// The batch sizes, from whichever key gives them.
bool resolve_batch(const Setting& root, RunSizes& sizes, Problems& problems) {
  const Setting *local = root.find("BATCH_SIZE"), *global = root.find("GLOBAL_BATCH_SIZE");
  if (local == nullptr || global == nullptr) return false;  // one is wrong, and was reported
  if (!local->is_null() && !global->is_null()) {
    problems.add(*global, "GLOBAL_BATCH_SIZE",
                 fmt::format("either BATCH_SIZE (at {}) or GLOBAL_BATCH_SIZE, not both", local->location().text()));
    return false;
  }
  const Setting* loader = root.find_path("train_data.dataloader.batch_size");
  const bool from_loader = local->is_null() && global->is_null();
  if (from_loader && (loader == nullptr || loader->is_null())) {
    problems.refuse(root.location(), "BATCH_SIZE", "",
                    "is missing; expected BATCH_SIZE or GLOBAL_BATCH_SIZE, an integer >= 1");
    return false;
  }
  const bool whole = !global->is_null();
  const Setting& given = whole ? *global : from_loader ? *loader : *local;
  const std::string key = whole ? "GLOBAL_BATCH_SIZE" : from_loader ? "train_data.dataloader.batch_size" : "BATCH_SIZE";
  const std::int64_t divisor = (whole ? sizes.data : 1) * sizes.batch_ways, size = given.integer();
  if (size % divisor != 0) {
    const std::string splits = fmt::format("mode {} over {} ranks splits the batch of a data-parallel rank {} ways",
                                           sizes.tensor_mode, sizes.tensor, sizes.batch_ways);
    const std::string replicas = fmt::format("{} data-parallel ranks", sizes.data);
    const std::string why = !whole ? splits : sizes.batch_ways == 1 ? replicas : replicas + "; " + splits;
    problems.add(given, key,
                 fmt::format("a multiple of {} ({}); nearest {}", divisor, why, nearest_multiples(size, divisor)));
    return false;
  }
  sizes.batch_per_data_rank = whole ? size / sizes.data : size;
  sizes.global_batch = sizes.batch_per_data_rank * sizes.data;
  return true;
}

// A micro-batch is cut further, as the mode splits the batch.
void check_micro_batches(const Setting& root, const RunSizes& sizes, Problems& problems) {
  const std::int64_t most = sizes.batch_per_data_rank / sizes.batch_ways, count = sizes.pipeline.micro_batches;
  if (most % count == 0) return;
  const std::string why = sizes.batch_ways == 1
                              ? ""
                              : fmt::format(" / {} (mode {} over {} ranks splits each micro-batch {} ways)",
                                            sizes.batch_ways, sizes.tensor_mode, sizes.tensor, sizes.batch_ways);
  problems.add(root["NUM_MICRO_BATCHES"], "NUM_MICRO_BATCHES",
               fmt::format("a divisor of the batch of a data-parallel rank, {}{}; nearest {}",
                           sizes.batch_per_data_rank, why, nearest_divisors(most, count)));
}

}  // namespace

std::vector<std::string> tensor_modes() {
  std::vector<std::string> names = Registry<ModeDefinition>::instance().names();
  std::erase(names, "none");
  return names;
}

std::string nearest_multiples(std::int64_t value, std::int64_t divisor) {
  const std::int64_t below = value / divisor * divisor;
  return below >= 1 ? fmt::format("{} and {}", below, below + divisor) : fmt::format("{}", below + divisor);
}

std::string nearest_divisors(std::int64_t value, std::int64_t count) {
  std::int64_t below = std::min(count, value), above = count + 1;
  while (value % below != 0) --below;
  while (above < value && value % above != 0) ++above;
  return above > value ? fmt::format("{}", below) : fmt::format("{} and {}", below, above);
}

std::optional<RunSizes> resolve_run_sizes(const Setting& root, std::optional<std::int64_t> world_size,
                                          Problems& problems) {
  RunSizes sizes;
  const std::optional<PipelineOptions> pipeline = resolve_pipeline(root, problems);
  if (!resolve_tensor(root, sizes, problems) || !pipeline) return std::nullopt;
  sizes.pipeline = *pipeline;
  if (const Setting* batches = root.find("gradient_accumulation"))
    sizes.accumulation = static_cast<int>(batches->integer());
  if (!resolve_data(root, world_size, sizes, problems)) return std::nullopt;
  if (resolve_batch(root, sizes, problems))
    check_micro_batches(root, sizes, problems);
  else
    sizes.global_batch = sizes.batch_per_data_rank = 0;
  return sizes;
}

}  // namespace ctrain
