// The plan for people: what plan.txt holds.
#pragma once

#include <string>

#include "runtime/plan.h"

namespace ctrain {

// Mesh and groups, layouts and local shapes of parameters and activations (equal blocks once), memory by kind, bytes
// and calls per collective and axis, FLOPs, of one rank.
[[nodiscard]] std::string plan_text(const Plan& plan);

// "fp32", or what of a step is shorter.
[[nodiscard]] std::string precision_text(const Plan& plan);
[[nodiscard]] std::string batch_text(const Plan& plan);    // "32 in 4 micro-batches, 3 of these to a step"
[[nodiscard]] std::string bytes_text(std::int64_t bytes);  // "1.50 MiB"

}  // namespace ctrain
