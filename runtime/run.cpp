#include "runtime/run.h"

#include <omp.h>

#include <nlohmann/json.hpp>

#include "memory/error.h"
#include "runtime/checkpoint/checkpoint_folder.h"
#include "runtime/checkpoint/initial_weights.h"
#include "runtime/checkpoint/job_state.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/file.h"
#include "runtime/plan_text.h"
#include "runtime/run_report.h"
#include "runtime/stop_signal.h"
#include "runtime/trainer.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

constexpr const char *config_file = "config.yaml", *trace_prefix = "trace_rank_";

// Whatever is wrong with a checkpoint is found before anything is started or written: a usage Error.
Manifest check_checkpoint(const fs::path& checkpoint) {
  try {
    return verify_checkpoint(checkpoint);
  } catch (const Error& error) {
    throw usage_error("{}", error.what());
  }
}

// Where the run goes on from: a complete checkpoint, or nothing.
fs::path checkpoint_to_resume(const RunOptions& options, const fs::path& run_folder) {
  if (options.resume.empty()) return {};
  fs::path checkpoint = options.resume == "auto" ? find_latest_complete(run_folder / "checkpoints").value_or(fs::path())
                                                 : named_checkpoint(options.resume);
  if (!checkpoint.empty()) check_checkpoint(checkpoint);
  return checkpoint;
}

// A folder that already holds a run is refused, gone on with, or emptied. Only files that runs write are removed.
void prepare_folder(const fs::path& run_folder, const RunOptions& options) {
  const bool holds_run = fs::exists(run_folder / config_file);
  if (holds_run && options.overwrite) {
    for (const char* entry : {config_file, "plan.txt", "metrics.jsonl", "summary.json", "log.txt", "checkpoints"})
      fs::remove_all(run_folder / entry);
    std::vector<fs::path> traces;
    for (const auto& entry : fs::directory_iterator(run_folder))
      if (entry.path().filename().string().starts_with(trace_prefix)) traces.push_back(entry.path());
    for (const fs::path& trace : traces) fs::remove(trace);
  } else if (holds_run && options.resume.empty()) {
    throw usage_error(
        "{} already holds a run: choose another folder with --output, go on with --resume auto, or replace it "
        "with --overwrite",
        run_folder.string());
  }
  std::error_code error;
  fs::create_directories(run_folder, error);
  if (error) throw usage_error("cannot make the run folder {}: {}", run_folder.string(), error.message());
}

// The number of ranks that share this process's cores.
int ranks_here(const Launch& launch) { return launch.backend == Launch::Backend::local ? launch.ranks : 1; }

void set_threads(const RunOptions& options, const Launch& launch) {
  omp_set_num_threads(threads_per_rank(options.threads, launch.ranks_sharing_cores()));  // of the calling thread only
}

void prefetch_fewer(Job& job, const Launch& launch) {
  // Ranks that are threads share the cores with their loaders: one batch ahead for each worker is enough.
  if (ranks_here(launch) > 1) job.train.prefetch_depth = job.train.workers;
}

}  // namespace

int run_training(std::unique_ptr<Job> job, const RunOptions& options, const Launch& launch, const Logger& logger) {
  const fs::path run_folder = options.output.empty() ? fs::path("runs") / job->configuration.name : options.output;
  TrainerOptions trainer_options;
  trainer_options.run_folder = run_folder;
  trainer_options.resume_from = checkpoint_to_resume(options, run_folder);
  trainer_options.total_steps = std::min(job->total_steps, options.steps.value_or(job->total_steps));
  trainer_options.show_progress = options.show_progress;
  trainer_options.version = options.version;
  const Setting& model = job->configuration.root["model"];
  const fs::path init_from = model.has("init_from") ? model["init_from"].text() : "";
  if (options.profile && options.profile->last > trainer_options.total_steps)
    throw usage_error("--profile-steps {}:{}: expected steps of this run, which ends after step {}",
                      options.profile->first, options.profile->last, trainer_options.total_steps);
  Logger log = logger;
  prefetch_fewer(*job, launch);

  const StopSignals signals;
  bool stopped_early = false;
  const auto prepare = [&] {
    if (!trainer_options.resume_from.empty()) {
      check_tensors(make_plan(job->options, 0), trainer_options.resume_from);
    } else if (!init_from.empty()) {
      check_initial_weights(make_plan(job->options, 0).training.compiled.program, init_from, "model.init_from");
    }
    prepare_folder(run_folder, options);
    log.open_file(run_folder / "log.txt");
    write_file(run_folder / config_file, to_yaml(job->configuration));
  };
  launch_ranks(launch, prepare, [&](Communicator& world) {
    set_threads(options, launch);
    const bool is_main = world.rank() == 0;
    const Plan plan = make_plan(job->options, world.rank());
    if (is_main) write_file(run_folder / "plan.txt", plan_text(plan));
    Rank rank(plan, world, device_place(launch, plan.device, options.backend, world.rank()));
    const Logger rank_log = log.for_rank(world.rank());
    show_ranks(rank, world, omp_get_max_threads(), rank_log);
    if (trainer_options.resume_from.empty() && !init_from.empty())
      load_initial_weights(
          plan.training.compiled.program, init_from,
          [&](const std::string& name, const std::vector<std::byte>& part) { rank.write(name, part); });
    if (options.profile) rank.trace(*options.profile);
    Trainer trainer(*job, trainer_options, rank, world, rank_log);
    const TrainingOutcome outcome = trainer.fit();
    if (options.profile)
      write_file(run_folder / fmt::format("{}{}.json", trace_prefix, world.rank()), rank.traced()->json());
    write_summary(run_folder / "summary.json", outcome, *job, rank, world);
    if (is_main) stopped_early = outcome.stopped_early;
  });
  if (stopped_early) log.info("stopped at a signal; `--resume auto` goes on from the checkpoint");
  return stopped_early ? exit_stopped_early : 0;
}

std::string run_evaluation(std::unique_ptr<Job> job, const fs::path& path, const RunOptions& options,
                           const Launch& launch, const Logger& logger) {
  if (job->test == nullptr) throw usage_error("{} has no test_data to evaluate on", job->configuration.name);
  const fs::path checkpoint = named_checkpoint(path);
  const Manifest manifest = check_checkpoint(checkpoint);
  std::string result;
  launch_ranks(launch, {}, [&](Communicator& world) {
    set_threads(options, launch);
    const Plan plan = make_plan(job->options, world.rank());
    Rank rank(plan, world, device_place(launch, plan.device, options.backend, world.rank()));
    load_tensors(rank, checkpoint, false);
    const auto loader = make_loader(*job->test, *plan.evaluation, rank);
    const Totals totals = evaluate_split(rank, *loader, job->test->dataset->label_bytes());
    if (world.rank() != 0) return;
    nlohmann::ordered_json json = {{"kind", "eval"},
                                   {"step", manifest.step},
                                   {"epoch", manifest.epoch},
                                   {"split", "test"},
                                   {"loss", totals.mean_loss()}};
    if (job->options.target.labels) json["accuracy"] = totals.accuracy();
    if (totals.bytes > 0) json["bits_per_byte"] = totals.bits_per_byte();
    json[job->test->dataset->facts().form == InputForm::tokens ? "tokens" : "samples"] =
        static_cast<std::int64_t>(totals.samples);
    result = json.dump();
    logger.debug("evaluated {}", checkpoint.string());
  });
  return result;
}

}  // namespace ctrain
