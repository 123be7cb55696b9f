// ctrain plan: what a rank of a run would do and need, before there is any other rank, data or memory for it.
#include <omp.h>

#include "memory/error.h"
#include "runtime/file.h"
#include "runtime/job.h"
#include "runtime/launch.h"
#include "runtime/pipeline_facts.h"
#include "runtime/plan_json.h"
#include "runtime/plan_text.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {

int print_plan(const Options& options) {
  Console console;
  const Logger logger(console, LogLevel::warning);
  const Configuration configuration =
      load_configuration(options.config, options.overrides, options.plan.world_size, options.recipe);
  const int ranks = configuration.world_size(), rank = options.plan.rank;
  if (rank >= ranks) throw usage_error("--rank {}: expected a rank of this run, 0 to {}", rank, ranks - 1);
  for (const std::string& warning : configuration.warnings) logger.warning("{}", warning);
  omp_set_num_threads(threads_per_rank(options.threads, ranks));
  const Plan plan = make_plan(job_options(configuration), rank);
  if (!options.plan.trace.empty()) write_file(options.plan.trace, chrome_trace(pipeline_facts(plan).timetable));
  print(options.plan.json ? plan_json(plan) : plan_text(plan));
  return 0;
}

}  // namespace ctrain
