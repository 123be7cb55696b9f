// What single keys cannot tell: sizes that must divide each other under a tensor mode, keys that must agree, keys that
// exclude each other. Works on a tree that apply_schema() has made; what is missing there was reported before.
#pragma once

#include <optional>

#include "runtime/config/run_sizes.h"
#include "runtime/config/setting.h"

namespace ctrain {

// `sizes`: empty where they are wrong themselves.
void validate(const Setting& root, const std::optional<RunSizes>& sizes, Problems& problems);

}  // namespace ctrain
