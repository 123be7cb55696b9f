// The trainer: one rank's training loop. Every rank runs the same loop on the same global batches; rank 0 also writes
// and shows. Small enough to read in one sitting: what happens around steps is in the hooks.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "runtime/console/metrics_writer.h"
#include "runtime/console/progress_bar.h"
#include "runtime/data/loader.h"
#include "runtime/hooks/hook.h"
#include "runtime/job.h"
#include "runtime/plan_facts.h"
#include "runtime/rank.h"

namespace ctrain {

struct TrainerOptions {
  std::filesystem::path run_folder;
  std::filesystem::path resume_from;  // a verified checkpoint; empty: from the start
  std::int64_t total_steps = 1;       // the job's, or fewer
  bool show_progress = true;
  std::string version;
};

struct TrainingOutcome {
  bool stopped_early = false;   // asked to; a checkpoint stands
  std::int64_t steps = 0;       // done in all, those before a resume included
  std::int64_t steps_here = 0;  // done by this run
  Totals train, test;           // of the last epoch, and of the last evaluation
  std::int64_t host_bytes = 0;  // of the loaders' batches
  double median_samples_per_second = 0;
  double start_seconds = 0;  // from the start of the process to the start of the first step
};

class Trainer {
 public:
  Trainer(const Job& job, const TrainerOptions& options, Rank& rank, Communicator& world, const Logger& logger);
  TrainingOutcome fit();

 private:
  void resume();
  void train_step(Loader& loader);
  void tell_whether_recorded();
  void end_epoch();
  void evaluate();
  void save(const std::filesystem::path& folder);
  void save_by_steps();
  [[nodiscard]] bool stop_agreed();
  void write_step();
  void write_epoch(EpochMetrics::Kind kind, const Totals& totals);

  const Job& job_;
  const TrainerOptions& options_;
  Rank& rank_;
  Communicator& world_;
  const Logger& logger_;
  TrainingState state_;
  std::vector<std::unique_ptr<Hook>> hooks_;
  std::unique_ptr<MetricsWriter> metrics_;  // rank 0
  std::unique_ptr<ProgressBar> progress_;   // rank 0
  std::unique_ptr<Loader> test_loader_;
  std::int64_t saved_step_ = -1;  // of the last checkpoint, and where it went
  std::filesystem::path saved_folder_;
  std::vector<double> step_seconds_;
  bool has_tokens_ = false;
  ModelFlops flops_;       // of a step
  double peak_flops_ = 0;  // of all ranks in a second; 0: not known
};

// Brings the split's batches to the rank, for one of its two steps. The split and the rank outlive it.
[[nodiscard]] std::unique_ptr<Loader> make_loader(const DataSplit& split, const StepPlan& step, const Rank& rank);

// Metrics of one pass over the test set, the same on every rank. `label_bytes`: its dataset's.
[[nodiscard]] Totals evaluate_split(Rank& rank, Loader& loader, std::int64_t label_bytes);

// Seconds since this process was started.
[[nodiscard]] double seconds_since_start();

}  // namespace ctrain
