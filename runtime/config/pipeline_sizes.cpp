#include "runtime/config/pipeline_sizes.h"

#include "memory/error.h"
#include "parallel/pipeline/stage_cut.h"

namespace ctrain {
namespace {

// What the usage error of a call says; "" where there is none.
template <typename Call>
std::string refusal(const Call& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return error.what();
  }
}

// The value that a problem is about: the key itself, or what made it count where it was left out.
const Setting& first_given(const Setting& key, const Setting& otherwise) { return key.is_null() ? otherwise : key; }

}  // namespace

std::vector<std::string> pipeline_schedules() { return Registry<ScheduleDefinition>::instance().names(); }

std::optional<PipelineOptions> resolve_pipeline(const Setting& root, Problems& problems) {
  const Setting* written = root.find_path("parallel.pipeline");
  const Setting *chunks = root.find("NUM_CHUNKS"), *micro_batches = root.find("NUM_MICRO_BATCHES");
  if (written == nullptr || chunks == nullptr || micro_batches == nullptr) return std::nullopt;  // reported before
  for (const char* key : {"size", "schedule", "partition", "cuts", "scatter_gather"})
    if (written->find(key) == nullptr) return std::nullopt;
  const Setting &size = (*written)["size"], &schedule = (*written)["schedule"];

  PipelineOptions pipeline;
  pipeline.stages = static_cast<int>(size.integer());
  pipeline.partition = (*written)["partition"].text();
  pipeline.scatter_gather = (*written)["scatter_gather"].boolean();
  for (const Setting& cut : (*written)["cuts"].list()) pipeline.cuts.push_back(static_cast<int>(cut.integer()));
  if (!chunks->is_null()) pipeline.chunks = static_cast<int>(chunks->integer());
  if (!schedule.is_null()) {
    pipeline.schedule = schedule.text();
    const auto& definition = Registry<ScheduleDefinition>::instance().get(pipeline.schedule);
    if (chunks->is_null()) pipeline.chunks = definition.chunks.value_or(1);
  } else if (pipeline.chunks > 1) {
    pipeline.schedule = "interleaved";
  }
  const bool is_missing = micro_batches->is_null() && pipeline.stages > 1;
  if (is_missing)
    problems.refuse(size.location(), "NUM_MICRO_BATCHES", "",
                    fmt::format("is missing; expected into how many micro-batches the batch of a data-parallel rank "
                                "is cut, since parallel.pipeline.size is {}",
                                pipeline.stages));
  if (!micro_batches->is_null()) pipeline.micro_batches = static_cast<int>(micro_batches->integer());

  // As many micro-batches as stages go with every schedule: what is wrong then are the chunks.
  const auto refused = [&](int count) {
    return refusal([&] { (void)make_schedule(pipeline.schedule, pipeline.stages, pipeline.chunks, count); });
  };
  if (const std::string wrong_chunks = refused(pipeline.stages); !wrong_chunks.empty()) {
    problems.refuse(first_given(*chunks, schedule), "NUM_CHUNKS", wrong_chunks);
    return std::nullopt;
  }
  const std::string wrong_count = is_missing ? "" : refused(pipeline.micro_batches);
  if (!wrong_count.empty())
    problems.refuse(first_given(*micro_batches, first_given(schedule, *chunks)), "NUM_MICRO_BATCHES", wrong_count);
  return pipeline;
}

void check_cut(const Setting& root, const PipelineOptions& pipeline, int blocks, Problems& problems) {
  const Setting& written = root.at("parallel.pipeline");
  if (pipeline.partition == "customized") {
    const std::string wrong =
        refusal([&] { (void)customized_cut(blocks, pipeline.cuts, pipeline.stages, pipeline.chunks); });
    if (!wrong.empty()) problems.refuse(written["cuts"], "parallel.pipeline.cuts", wrong);
    return;
  }
  if (!pipeline.cuts.empty())
    problems.add(written["cuts"], "parallel.pipeline.cuts",
                 fmt::format("partition: customized with it, not {}", pipeline.partition));
  const std::string wrong = refusal([&] {
    if (pipeline.partition == "uniform")
      (void)uniform_cut(blocks, pipeline.stages, pipeline.chunks);
    else
      (void)balanced_cut(std::vector<double>(static_cast<std::size_t>(blocks), 1), pipeline.stages, pipeline.chunks);
  });
  if (!wrong.empty()) problems.refuse(written["size"], "parallel.pipeline.size", wrong);
}

}  // namespace ctrain
