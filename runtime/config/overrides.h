// KEY.PATH=VALUE from the command line, put into a configuration as if it had been written there.
#pragma once

#include <string>
#include <string_view>

#include "runtime/config/setting.h"

namespace ctrain {

// VALUE is YAML; KEY.PATH names keys under any of their names, and items of lists by number (hooks.0.interval).
// Replaces what stands there or adds it; values carry the location "--set".
void apply_override(Setting& root, const std::string& assignment, Problems& problems);

// Whether the assignment is of the root's member `name`, or of something in it.
bool overrides_name(std::string_view assignment, std::string_view name);

}  // namespace ctrain
