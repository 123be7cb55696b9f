// Learning-rate schedules: the rate as a pure function of the step, known by their documented names in
// Registry<LrSchedulerType>. `t` counts from 0 to total_steps - 1, in optimizer steps or, with by_epoch, in epochs
// (base_lr is the optimizer's `lr`, w is warmup_steps, T is total_steps); from T on the last value holds. Where the
// warm-up is longer than the training, the rate never reaches base_lr.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/config/setting.h"

namespace ctrain {

// eta_min + (base_lr - eta_min) (1 + cos(pi t / T)) / 2 (Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts).
[[nodiscard]] double cosine_annealing_lr(double base_lr, double eta_min, std::int64_t total_steps, std::int64_t t);

// base_lr (t + 1) / w for t < w, then cosine annealing over the remaining T - w steps.
[[nodiscard]] double cosine_annealing_warmup_lr(double base_lr, double eta_min, std::int64_t warmup_steps,
                                                std::int64_t total_steps, std::int64_t t);

// base_lr (t + 1) / (w + 1) for t < w, then straight down from base_lr at t = w to 0 at t = T.
[[nodiscard]] double linear_warmup_lr(double base_lr, std::int64_t warmup_steps, std::int64_t total_steps,
                                      std::int64_t t);

using LrSchedule = std::function<double(std::int64_t t)>;

// How a configured `lr_scheduler` becomes a schedule. `arguments` is its mapping, resolved by the schema.
struct LrSchedulerType {
  std::function<LrSchedule(double base_lr, std::int64_t total_steps, const Setting& arguments)> make;
};

}  // namespace ctrain
