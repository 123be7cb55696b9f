#include "runtime/trainer.h"

#include <chrono>
#include <fstream>

#include <unistd.h>

#include "memory/error.h"
#include "runtime/checkpoint/checkpoint_folder.h"
#include "runtime/checkpoint/job_state.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/file.h"
#include "runtime/median.h"
#include "runtime/stop_signal.h"

namespace ctrain {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Trainer::Trainer(const Job& job, const TrainerOptions& options, Rank& rank, Communicator& world, const Logger& logger)
    : job_(job), options_(options), rank_(rank), world_(world), logger_(logger) {
  const Setting& root = job.configuration.root;
  hooks_ = make_hooks(root["hooks"], {logger_, options.run_folder});
  state_.is_main = world.rank() == 0;
  state_.has_classes = job.options.target.labels;
  state_.data_ranks = job.options.data;
  state_.epochs = job.epochs;
  state_.steps_per_epoch = job.steps_per_epoch;
  state_.total_steps = options.total_steps;
  state_.save = [this](const std::filesystem::path& folder) { save(folder); };
  has_tokens_ = job.train.dataset->facts().form == InputForm::tokens;
  if (root.has("peak_flops")) peak_flops_ = root["peak_flops"].real() * world.size();
  flops_ = model_flops(*rank.plan().training.graph.graph);
  step_seconds_.reserve(static_cast<std::size_t>(options.total_steps));
  if (job.test != nullptr) {
    test_loader_ = make_loader(*job.test, *rank.plan().evaluation, rank);
    state_.test.bytes = job.test->dataset->label_bytes();
  }
}

TrainingOutcome Trainer::fit() {
  TrainingOutcome outcome;
  if (!options_.resume_from.empty()) resume();
  const std::int64_t first_step = state_.step;
  if (state_.is_main) {
    metrics_ = std::make_unique<MetricsWriter>(options_.run_folder / "metrics.jsonl", first_step);
    if (options_.show_progress && job_.configuration.root["display_progress"].boolean())
      progress_ = std::make_unique<ProgressBar>(
          logger_, ProgressTotals{job_.epochs, job_.steps_per_epoch, options_.total_steps});
  }
  for (const auto& hook : hooks_) hook->before_train(state_);

  const std::unique_ptr<Loader> loader = make_loader(job_.train, rank_.plan().training, rank_);
  loader->seek(state_.epoch, state_.step_in_epoch);
  outcome.start_seconds = seconds_since_start();
  while (state_.step < options_.total_steps) {
    train_step(*loader);
    if (state_.step == first_step + 2) tell_whether_recorded();
    if (state_.step_in_epoch == state_.steps_per_epoch) end_epoch();
    save_by_steps();
    if (state_.step < options_.total_steps && stop_agreed()) {
      outcome.stopped_early = true;
      break;
    }
  }
  progress_.reset();
  if (options_.total_steps == 0) save(options_.run_folder / "checkpoints");
  if (outcome.stopped_early && saved_step_ != state_.step) save(options_.run_folder / "checkpoints");

  outcome.host_bytes = loader->buffer_bytes() + (test_loader_ == nullptr ? 0 : test_loader_->buffer_bytes());
  outcome.steps = state_.step;
  outcome.steps_here = state_.step - first_step;
  outcome.train = state_.train;
  outcome.test = state_.test;
  const auto batch = static_cast<double>(job_.options.samples_per_step());
  if (!step_seconds_.empty()) outcome.median_samples_per_second = batch / median(step_seconds_);
  return outcome;
}

void Trainer::train_step(Loader& loader) {
  const auto begin = Clock::now();
  if (state_.step_in_epoch == 0) state_.train = {};
  const Batch& batch = loader.next();
  state_.learning_rate = job_.learning_rate(state_.step);
  const bool is_last = state_.step + 1 == options_.total_steps;
  state_.last =
      rank_.train(batch, {state_.step, state_.learning_rate}, [&] { return is_last ? nullptr : loader.peek(); });
  state_.samples = batch.valid;
  state_.step += 1;
  state_.step_in_epoch += 1;
  state_.train.add(state_.last);
  state_.step_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  step_seconds_.push_back(state_.step_seconds);
  if (state_.is_main) write_step();
  for (const auto& hook : hooks_) hook->after_train_step(state_);
}

// The device tries to record the second step.
void Trainer::tell_whether_recorded() {
  if (const std::string& reason = rank_.training().not_recorded_because(); state_.is_main && !reason.empty())
    logger_.info("cuda_graph: steps are not replayed as one, since {}", reason);
}

void Trainer::end_epoch() {
  if (state_.is_main) write_epoch(EpochMetrics::Kind::epoch, state_.train);
  for (const auto& hook : hooks_) hook->after_train_epoch(state_);
  if (test_loader_ != nullptr && (state_.epoch + 1) % job_.configuration.root["test_interval"].integer() == 0)
    evaluate();
  state_.epoch += 1;
  state_.step_in_epoch = 0;
}

void Trainer::evaluate() {
  state_.test = evaluate_split(rank_, *test_loader_, state_.test.bytes);
  if (state_.is_main) write_epoch(EpochMetrics::Kind::eval, state_.test);
  for (const auto& hook : hooks_) hook->after_test(state_);
}

void Trainer::resume() {
  const Manifest manifest = read_manifest(options_.resume_from);
  load_tensors(rank_, options_.resume_from, true);
  state_.step = saved_step_ = manifest.step;
  state_.epoch = manifest.epoch;
  state_.step_in_epoch = manifest.step_in_epoch;
  state_.train = {manifest.loss_sum, manifest.correct_sum, manifest.sample_sum};
  if (state_.is_main) logger_.info("resuming at step {} from {}", manifest.step, options_.resume_from.string());
}

// Collective. Standing at the end of an epoch is standing at the beginning of the next.
void Trainer::save(const std::filesystem::path& folder) {
  if (saved_step_ == state_.step && saved_folder_ == folder) return;
  if (state_.is_main) begin_checkpoint(folder, state_.step);
  world_.barrier();
  save_tensors(rank_, world_, pending_checkpoint_path(folder, state_.step));
  if (state_.is_main) {
    const std::filesystem::path pending = pending_checkpoint_path(folder, state_.step);
    write_file(pending / "config.yaml", to_yaml(job_.configuration));
    job_.train.dataset->save_with_model(pending);
    Manifest manifest;
    manifest.step = state_.step;
    manifest.epoch = state_.step / state_.steps_per_epoch;
    manifest.step_in_epoch = state_.step % state_.steps_per_epoch;
    const std::int64_t per_epoch = job_.train.sampler.drop_last
                                       ? state_.steps_per_epoch * job_.options.samples_per_step()
                                       : job_.train.dataset->size();
    manifest.samples_seen = manifest.epoch * per_epoch + manifest.step_in_epoch * job_.options.samples_per_step();
    manifest.loss_sum = state_.train.loss;
    manifest.correct_sum = state_.train.correct;
    manifest.sample_sum = state_.train.samples;
    manifest.seed = job_.options.seed;
    manifest.created_by = "ctrain " + options_.version;
    commit_checkpoint(folder, manifest);
    logger_.debug("saved {}", checkpoint_path(folder, state_.step).string());
  }
  world_.barrier();
  saved_step_ = state_.step;
  saved_folder_ = folder;
}

void Trainer::save_by_steps() {
  const Setting& root = job_.configuration.root;
  if (!root.has("checkpoints")) return;
  const Setting& checkpoints = root["checkpoints"];
  const std::filesystem::path folder = options_.run_folder / "checkpoints";
  if (!checkpoints.has("every") || state_.step % checkpoints["every"].integer() != 0) return;
  save(folder);
  if (!state_.is_main || !checkpoints.has("keep_last")) return;
  prune_checkpoints(folder, checkpoints["keep_last"].integer(),
                    checkpoints.has("keep_every") ? checkpoints["keep_every"].integer() : 0);
}

// Ranks see a signal at different steps, or not at all: they stop together, when any of them was asked to.
bool Trainer::stop_agreed() {
  std::int32_t asked = StopSignals::stop_requested() ? 1 : 0;
  if (world_.size() > 1) world_.all_reduce({&asked, 1, DType::i32}, {&asked, 1, DType::i32}, Reduction::max);
  return asked != 0;
}

void Trainer::write_step() {
  const double rate = static_cast<double>(state_.samples) / state_.step_seconds;
  const auto tokens = has_tokens_ ? std::optional(state_.last.samples / state_.step_seconds) : std::nullopt;
  const auto utilisation = [&](double flops) {
    return peak_flops_ > 0 ? std::optional(flops / (state_.step_seconds * peak_flops_)) : std::nullopt;
  };
  metrics_->write(StepMetrics{.step = state_.step,
                              .epoch = state_.epoch,
                              .loss = state_.last.loss,
                              .lr = state_.learning_rate,
                              .grad_norm = state_.last.gradient_norm,
                              .samples_per_second = rate,
                              .step_ms = state_.step_seconds * 1e3,
                              .tokens_per_second = tokens,
                              .mfu = utilisation(flops_.causal),
                              .mfu_full_attention = utilisation(flops_.full_attention),
                              .mfu_with_recompute = utilisation(flops_.with_recompute)});
  if (progress_ == nullptr) return;
  progress_->update({.epoch = state_.epoch,
                     .step_in_epoch = state_.step_in_epoch,
                     .loss = state_.last.loss,
                     .accuracy = state_.has_classes ? state_.train.accuracy() : Progress::unknown,
                     .lr = state_.learning_rate,
                     .rate = tokens ? *tokens : rate,
                     .rate_unit = tokens ? "tokens/s" : "samples/s"},
                    Clock::now());
}

void Trainer::write_epoch(EpochMetrics::Kind kind, const Totals& totals) {
  metrics_->write(
      EpochMetrics{.kind = kind,
                   .split = kind == EpochMetrics::Kind::eval ? EpochMetrics::Split::test : EpochMetrics::Split::train,
                   .step = state_.step,
                   .epoch = state_.epoch,
                   .loss = totals.mean_loss(),
                   .accuracy = state_.has_classes ? std::optional(totals.accuracy()) : std::nullopt,
                   .bits_per_byte = totals.bytes > 0 ? std::optional(totals.bits_per_byte()) : std::nullopt});
}

std::unique_ptr<Loader> make_loader(const DataSplit& split, const StepPlan& step, const Rank& rank) {
  auto loader = std::make_unique<Loader>(*split.dataset, *split.pipeline, split.sampler, Rank::feeds(step),
                                         split.prefetch_depth, split.workers);
  if (split.pin_memory) loader->pin(rank.device());
  return loader;
}

Totals evaluate_split(Rank& rank, Loader& loader, std::int64_t label_bytes) {
  Totals totals;
  totals.bytes = label_bytes;
  loader.seek(0, 0);
  const std::int64_t steps = loader.steps_per_epoch();
  const Rank::NextBatch next = [&] { return loader.peek(); };
  for (std::int64_t step = 0; step < steps; ++step)
    totals.add(rank.evaluate(loader.next(), step + 1 == steps ? Rank::NextBatch() : next));
  return totals;
}

double seconds_since_start() {
  // Field 22 of /proc/self/stat is the start in clock ticks since boot; the name in field 2 may hold anything.
  std::ifstream stat_file("/proc/self/stat"), uptime_file("/proc/uptime");
  std::string stat((std::istreambuf_iterator<char>(stat_file)), std::istreambuf_iterator<char>());
  double uptime = 0;
  uptime_file >> uptime;
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return uptime - std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace ctrain
