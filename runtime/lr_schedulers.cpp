#include "runtime/lr_schedulers.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "memory/registry.h"

namespace ctrain {

namespace {

// How much of `length` steps is done, from 0 to 1; nothing of no steps at all.
double done_share(std::int64_t t, std::int64_t length) {
  return length <= 0 ? 0.0 : static_cast<double>(std::min(t, length)) / static_cast<double>(length);
}

const Registration<LrSchedulerType> cosine_annealing{
    "CosineAnnealingLR", {[](double base_lr, std::int64_t total_steps, const Setting& arguments) -> LrSchedule {
      return [=, eta_min = arguments["eta_min"].real()](std::int64_t t) {
        return cosine_annealing_lr(base_lr, eta_min, total_steps, t);
      };
    }}};

const Registration<LrSchedulerType> cosine_annealing_warmup{
    "CosineAnnealingWarmupLR", {[](double base_lr, std::int64_t total_steps, const Setting& arguments) -> LrSchedule {
      return [=, eta_min = arguments["eta_min"].real(), warmup_steps = arguments["warmup_steps"].integer()](
                 std::int64_t t) { return cosine_annealing_warmup_lr(base_lr, eta_min, warmup_steps, total_steps, t); };
    }}};

const Registration<LrSchedulerType> linear_warmup{
    "LinearWarmupLR", {[](double base_lr, std::int64_t total_steps, const Setting& arguments) -> LrSchedule {
      return [=, warmup_steps = arguments["warmup_steps"].integer()](std::int64_t t) {
        return linear_warmup_lr(base_lr, warmup_steps, total_steps, t);
      };
    }}};

}  // namespace

double cosine_annealing_lr(double base_lr, double eta_min, std::int64_t total_steps, std::int64_t t) {
  const double angle = std::numbers::pi * done_share(t, total_steps);
  return eta_min + (base_lr - eta_min) * (1 + std::cos(angle)) / 2;
}

double cosine_annealing_warmup_lr(double base_lr, double eta_min, std::int64_t warmup_steps, std::int64_t total_steps,
                                  std::int64_t t) {
  if (t < warmup_steps) return base_lr * static_cast<double>(t + 1) / static_cast<double>(warmup_steps);
  return cosine_annealing_lr(base_lr, eta_min, total_steps - warmup_steps, t - warmup_steps);
}

double linear_warmup_lr(double base_lr, std::int64_t warmup_steps, std::int64_t total_steps, std::int64_t t) {
  if (t < warmup_steps) return base_lr * static_cast<double>(t + 1) / static_cast<double>(warmup_steps + 1);
  return base_lr * (1 - done_share(t - warmup_steps, total_steps - warmup_steps));
}

}  // namespace ctrain
