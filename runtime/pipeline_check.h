// What only the model's graph can tell of a configuration's pipeline.
#pragma once

#include "runtime/config/setting.h"
#include "runtime/plan.h"

namespace ctrain {

// Adds to the problems: parts of the model without parameters, values that go the wrong way between parts, a
// TENSOR_SHAPE that is not that of what one stage hands to the next: the local shape on a rank, that of a data-parallel
// rank's micro-batch, or of all of them, with samples or tokens first.
void check_pipeline(const Setting& root, const JobOptions& options, Problems& problems);

}  // namespace ctrain
