// Hooks: what happens around steps and epochs, under their documented names. A hook sees the state of training and
// publishes numbers on its board for the others; only the main rank logs, but every rank calls every hook, because
// saving is collective. One file per hook, which registers itself. The trainer keeps to itself what every run has
// (metrics.jsonl, the rate itself): hooks add to the console and to other files.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "memory/registry.h"
#include "runtime/config/setting.h"
#include "runtime/console/logger.h"
#include "runtime/rank.h"

namespace ctrain {

// Numbers by name ("Loss", "LR"), published once before training and updated in place. NaN: not known yet.
class MetricBoard {
 public:
  struct Metric {
    std::string name;
    double train, test;
  };
  Metric& publish(const std::string& name);  // the reference stays valid
  [[nodiscard]] const std::deque<Metric>& metrics() const { return metrics_; }

 private:
  std::deque<Metric> metrics_;
};

// Sums over the samples of an epoch or an evaluation.
struct Totals {
  double loss = 0, correct = 0, samples = 0;
  std::int64_t bytes = 0;  // of an evaluation on text: what its labels stand for
  void add(const StepResult& step);
  [[nodiscard]] double mean_loss() const { return loss / samples; }
  [[nodiscard]] double accuracy() const { return correct / samples; }
  // Of losses in nats: what does not depend on how a tokenizer cuts the text.
  [[nodiscard]] double bits_per_byte() const { return loss / (std::numbers::ln2 * static_cast<double>(bytes)); }
};

struct TrainingState {
  bool is_main = true;      // this rank logs
  bool has_classes = true;  // accuracy means something
  int data_ranks = 1;
  std::int64_t epochs = 1, steps_per_epoch = 1, total_steps = 1;
  std::int64_t step = 0;           // optimizer steps done
  std::int64_t epoch = 0;          // from 0: the one that is running
  std::int64_t step_in_epoch = 0;  // steps done of it
  StepResult last;                 // of the last training step
  std::int64_t samples = 0;        // of the last step: rows of its batch, each with one label or with many
  Totals train, test;              // of the running epoch; of the running or last evaluation
  double learning_rate = 0;        // of the last step
  double step_seconds = 0;         // of the last step, waiting for data included
  MetricBoard board;
  std::function<void(const std::filesystem::path& folder)> save;  // a checkpoint into this folder; collective
};

class Hook {
 public:
  explicit Hook(std::int64_t priority) : priority_(priority) {}
  virtual ~Hook() = default;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  [[nodiscard]] std::int64_t priority() const { return priority_; }  // lower numbers run first

  virtual void before_train(TrainingState&) {}
  virtual void after_train_step(TrainingState&) {}
  virtual void after_train_epoch(TrainingState&) {}
  virtual void after_test(TrainingState&) {}

 private:
  std::int64_t priority_;
};

struct HookContext {
  const Logger& logger;
  std::filesystem::path run_folder;
};

using HookFactory = std::function<std::unique_ptr<Hook>(const Setting& arguments, const HookContext& context)>;
using HookRegistration = Registration<HookFactory>;

// The configured hooks, by priority; those of equal priority in the order of the file.
[[nodiscard]] std::vector<std::unique_ptr<Hook>> make_hooks(const Setting& hooks, const HookContext& context);

}  // namespace ctrain
