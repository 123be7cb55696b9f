// KEY.PATH=VALUE from the command line, put into a configuration as if it had been written there.
#pragma once

#include <string>

#include "runtime/config/setting.h"

namespace ctrain {

// VALUE is YAML; KEY.PATH names keys under any of their names, and items of lists by number (hooks.0.interval).
// Replaces what stands there or adds it; values carry the location "--set".
void apply_override(Setting& root, const std::string& assignment, Problems& problems);

}  // namespace ctrain
