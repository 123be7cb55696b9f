// The table's optimizers and losses (torch's names and defaults), learning-rate schedules and hooks (the documents').
#include <limits>

#include "runtime/config/schema_tables.h"

namespace ctrain {
namespace {

void add_later(std::vector<Component>& components, std::initializer_list<const char*> types) {
  for (const char* type : types) components.push_back(later_component(type));
}

Field learning_rate() { return {"lr", real(0), "0.001", "learning rate"}; }

std::vector<Field> adam_fields(std::string weight_decay) {
  return {
      learning_rate(),
      {"betas", list_of(real_below(0, 1), 2, 2), "[0.9, 0.999]", "decay of the running means of gradient and square"},
      {"eps", real(0), "1e-08", "added to the denominator"},
      {"weight_decay", real(0), std::move(weight_decay), "of all parameters"},
      {"amsgrad", boolean(), "false", "the AMSGrad variant", {}, {"false"}},
  };
}

std::vector<Field> sgd_fields() {
  return {
      learning_rate(),
      {"momentum", real(0), "0.0", "of the running gradient"},
      {"dampening", real(0), "0.0", "of the gradient that enters it", {}, {"0.0"}},
      {"weight_decay", real(0), "0.0", "of all parameters"},
      {"nesterov", boolean(), "false", "Nesterov momentum", {}, {"false"}},
  };
}

// Counts are in steps, or in epochs where by_epoch says so.
std::vector<Field> schedule_fields(std::vector<Field> own) {
  own.insert(own.begin(), {"total_steps", nullable(integer(1)), "null", "length of the schedule; null: of the run"});
  own.push_back({"by_epoch", nullable(boolean()), "null",
                 "advance once an epoch instead of once a step; null: as LRSchedulerHook says, else false"});
  return own;
}

Field warmup() { return {"warmup_steps", integer(0), "0", "linear rise at the beginning"}; }
Field floor_rate() { return {"eta_min", real(0), "0.0", "where the cosine ends"}; }

Field mean_reduction() { return {"reduction", choice({"mean"}, {"sum", "none"}), "mean", "over the global batch"}; }

Component hook(std::string type, std::string meaning, std::string priority, std::vector<Field> own = {}) {
  own.push_back({"priority", integer(0), std::move(priority), "hooks with lower numbers run first"});
  return {std::move(type), std::move(meaning), std::move(own)};
}

std::vector<Component> make_hooks() {
  const Field by_epoch = {"by_epoch", nullable(boolean()), "null",
                          "must agree with lr_scheduler.by_epoch; null: as it says"};
  const Field publish = {"store_lr_in_state", boolean(), "true", "make the rate known to the other hooks"};
  std::vector<Component> components = {
      hook("LossHook", "mean loss of the epoch", "0"),
      hook("AccuracyHook", "share of right answers in evaluation", "0"),
      hook("LRSchedulerHook", "learning rate among the metrics", "1", {by_epoch, publish}),
      hook("LogMetricByStepHook", "metrics beside the progress bar", "10"),
      hook("LogMetricByEpochHook", "a line of metrics after an epoch", "10",
           {{"interval", integer(1), "1", "every so many epochs"}}),
      hook("ThroughputHook", "samples per second", "10",
           {{"ignored_steps", integer(0), "0", "steps at the beginning that do not count"},
            {"tflop_per_step", real(0), "0.0", "10^12 operations of one step, to print the rate"},
            {"use_local", boolean(), "false", "of one data-parallel rank instead of all"}}),
      hook("SaveCheckpointHook", "saves checkpoints", "10",
           {{"interval", integer(1), "1", "every so many epochs, or steps"},
            {"checkpoint_dir", text(), "checkpoints", "folder, relative to the run folder"},
            {"save_by_iter", boolean(), "false", "interval counts steps"}}),
  };
  add_later(components, {"LogTimingByEpochHook", "LogMemoryByEpochHook", "LogMessageHook", "TensorboardHook",
                         "LoadCheckpointHook"});
  return components;
}

}  // namespace

const std::vector<Component>& optimizer_components() {
  static const std::vector<Component> components = [] {
    std::vector<Component> built = {
        {"SGD", "stochastic gradient descent", sgd_fields()},
        {"Adam", "Adam; weight decay is added to the gradient", adam_fields("0.0")},
        {"AdamW", "Adam with decoupled weight decay", adam_fields("0.01")},
    };
    add_later(built, {"Lamb", "Lars", "HybridAdam", "CPUAdam", "FusedAdam", "FusedSGD", "FusedLAMB", "Adagrad",
                      "Adamax", "NAdam", "RAdam", "RMSprop"});
    return built;
  }();
  return components;
}

const std::vector<Component>& lr_scheduler_components() {
  static const std::vector<Component> components = [] {
    std::vector<Component> built = {
        {"CosineAnnealingLR", "half a cosine from the base rate to eta_min", schedule_fields({floor_rate()})},
        {"CosineAnnealingWarmupLR", "linear rise, then half a cosine", schedule_fields({warmup(), floor_rate()})},
        {"LinearWarmupLR", "linear rise, then linear fall to 0", schedule_fields({warmup()})},
    };
    add_later(built, {"FlatAnnealingLR", "FlatAnnealingWarmupLR", "MultiStepLR", "MultiStepWarmupLR", "OneCycleLR",
                      "PolynomialLR", "PolynomialWarmupLR", "LambdaLR", "MultiplicativeLR", "StepLR", "ExponentialLR"});
    return built;
  }();
  return components;
}

const std::vector<Component>& loss_components() {
  static const std::vector<Component> components = [] {
    const Field smoothing = {"label_smoothing", real(0, 1), "0.0", "share of the target spread over all classes"};
    const Field ignored = {"ignore_index", integer(std::numeric_limits<std::int32_t>::min()), "-100",
                           "samples with this label do not count"};
    std::vector<Component> built = {
        {"CrossEntropyLoss", "softmax cross-entropy with class labels", {smoothing, ignored, mean_reduction()}},
        {"MSELoss", "mean squared error", {mean_reduction()}},
    };
    add_later(built,
              {"MoeLoss", "MoeCrossEntropyLoss", "VocabParallelCrossEntropyLoss1D", "L1Loss", "BCEWithLogitsLoss"});
    return built;
  }();
  return components;
}

const std::vector<Component>& hook_components() {
  static const std::vector<Component> components = make_hooks();
  return components;
}

}  // namespace ctrain
