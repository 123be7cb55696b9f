// Golden values: T = 10 steps, w = 3 of warm-up, base rate 1, computed with Colossal-AI's schedulers (four digits).
#include "runtime/lr_schedulers.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "memory/registry.h"

using namespace ctrain;

namespace {

LrSchedule make(const std::string& name, double base_lr, std::int64_t total_steps, std::int64_t warmup_steps,
                double eta_min) {
  const Setting arguments = Setting::of(
      std::vector<Setting::Member>{{"warmup_steps", Setting::of(warmup_steps)}, {"eta_min", Setting::of(eta_min)}});
  return Registry<LrSchedulerType>::instance().get(name).make(base_lr, total_steps, arguments);
}

void check(const LrSchedule& schedule, const std::vector<double>& expected) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    CAPTURE(t);
    CHECK(schedule(static_cast<std::int64_t>(t)) == Approx(expected[t]).margin(5e-5));
  }
}

}  // namespace

TEST_CASE("LinearWarmupLR has the golden values") {
  check(make("LinearWarmupLR", 1, 10, 3, 0), {.25, .5, .75, 1, .8571, .7143, .5714, .4286, .2857, .1429, 0, 0});
}

TEST_CASE("CosineAnnealingWarmupLR has the golden values") {
  check(make("CosineAnnealingWarmupLR", 1, 10, 3, 0),
        {.3333, .6667, 1, 1, .9505, .8117, .6113, .3887, .1883, .0495, 0, 0});
}

TEST_CASE("CosineAnnealingLR is half a cosine between base_lr and eta_min") {
  check(make("CosineAnnealingLR", 1, 4, 0, 0), {1, .8536, .5, .1464, 0, 0});
  check(make("CosineAnnealingLR", 2, 4, 0, 1), {2, 1.8536, 1.5, 1.1464, 1, 1});
}

TEST_CASE("CosineAnnealingWarmupLR without a warm-up is CosineAnnealingLR, eta_min included") {
  const LrSchedule with = make("CosineAnnealingWarmupLR", 0.5, 7, 0, 0.125);
  const LrSchedule without = make("CosineAnnealingLR", 0.5, 7, 0, 0.125);
  for (std::int64_t t = 0; t < 9; ++t) CHECK(with(t) == without(t));
  CHECK(make("CosineAnnealingWarmupLR", 0.5, 7, 3, 0.125)(7) == Approx(0.125));
}

TEST_CASE("A warm-up as long as the training, or longer, stays finite and never exceeds base_lr") {
  check(make("LinearWarmupLR", 1, 4, 4, 0), {.2, .4, .6, .8});
  check(make("LinearWarmupLR", 1, 4, 9, 0), {.1, .2, .3, .4});
  check(make("CosineAnnealingWarmupLR", 1, 4, 4, 0), {.25, .5, .75, 1, 1});
  check(make("CosineAnnealingWarmupLR", 1, 4, 8, 0), {.125, .25, .375, .5});
}
