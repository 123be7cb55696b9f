// The pipeline's part of plan.txt and of `ctrain plan`.
#pragma once

#include <string>

#include "runtime/plan.h"

namespace ctrain {

// "" where the model is in one part.
[[nodiscard]] std::string pipeline_text(const Plan& plan);

}  // namespace ctrain
