// Hooks that publish a number: LossHook, AccuracyHook, LRSchedulerHook, ThroughputHook.
#include <cmath>

#include "runtime/hooks/hook.h"

namespace ctrain {
namespace {

// Mean loss over the epoch's samples so far; of an evaluation over all of its samples, and of text its bits per byte.
class LossHook final : public Hook {
 public:
  using Hook::Hook;
  void before_train(TrainingState& state) override {
    loss_ = &state.board.publish("Loss");
    if (state.test.bytes > 0) bits_ = &state.board.publish("Bits per byte");
  }
  void after_train_step(TrainingState& state) override { loss_->train = state.train.mean_loss(); }
  void after_test(TrainingState& state) override {
    loss_->test = state.test.mean_loss();
    if (bits_ != nullptr) bits_->test = state.test.bits_per_byte();
  }

 private:
  MetricBoard::Metric *loss_ = nullptr, *bits_ = nullptr;
};

// Share of right answers, in evaluation only, as documented.
class AccuracyHook final : public Hook {
 public:
  using Hook::Hook;
  void before_train(TrainingState& state) override { accuracy_ = &state.board.publish("Accuracy"); }
  void after_test(TrainingState& state) override {
    if (state.has_classes) accuracy_->test = state.test.accuracy();
  }

 private:
  MetricBoard::Metric* accuracy_ = nullptr;
};

// The rate itself follows lr_scheduler whatever the hooks; this one makes it known.
class LrSchedulerHook final : public Hook {
 public:
  LrSchedulerHook(std::int64_t priority, bool publish) : Hook(priority), publish_(publish) {}
  void before_train(TrainingState& state) override {
    if (publish_) rate_ = &state.board.publish("LR");
  }
  void after_train_step(TrainingState& state) override {
    if (rate_ != nullptr) rate_->train = state.learning_rate;
  }

 private:
  bool publish_;
  MetricBoard::Metric* rate_ = nullptr;
};

// Samples per second over the epoch, the first steps of the run left out.
class ThroughputHook final : public Hook {
 public:
  ThroughputHook(const Setting& arguments, const HookContext&)
      : Hook(arguments["priority"].integer()),
        ignored_steps_(arguments["ignored_steps"].integer()),
        tera_per_step_(arguments["tflop_per_step"].real()),
        local_(arguments["use_local"].boolean()) {}
  void before_train(TrainingState& state) override {
    throughput_ = &state.board.publish("Throughput");
    if (tera_per_step_ > 0) tera_ = &state.board.publish("TFLOPS");
  }
  void after_train_step(TrainingState& state) override {
    if (state.step_in_epoch == 1) seconds_ = samples_ = steps_ = 0;
    if (state.step <= ignored_steps_) return;
    seconds_ += state.step_seconds;
    samples_ += static_cast<double>(state.samples);
    steps_ += 1;
    throughput_->train = samples_ / seconds_ / (local_ ? static_cast<double>(state.data_ranks) : 1);
    if (tera_ != nullptr) tera_->train = tera_per_step_ * steps_ / seconds_;
  }

 private:
  std::int64_t ignored_steps_;
  double tera_per_step_;
  bool local_;
  double seconds_ = 0, samples_ = 0, steps_ = 0;
  MetricBoard::Metric *throughput_ = nullptr, *tera_ = nullptr;
};

template <typename T>
std::unique_ptr<Hook> by_priority(const Setting& arguments, const HookContext&) {
  return std::make_unique<T>(arguments["priority"].integer());
}

const HookRegistration loss("LossHook", by_priority<LossHook>);
const HookRegistration accuracy("AccuracyHook", by_priority<AccuracyHook>);
const HookRegistration rate("LRSchedulerHook", [](const Setting& arguments, const HookContext&) {
  return std::make_unique<LrSchedulerHook>(arguments["priority"].integer(), arguments["store_lr_in_state"].boolean());
});
const HookRegistration throughput("ThroughputHook", [](const Setting& arguments, const HookContext& context) {
  return std::make_unique<ThroughputHook>(arguments, context);
});

}  // namespace
}  // namespace ctrain
