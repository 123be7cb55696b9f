// A tree of settings as YAML that reads back as the same tree.
#pragma once

#include <string>

#include "runtime/config/setting.h"

namespace ctrain {

// `root` is a mapping. Mappings under keys take a line per member; lists of values, and short items of lists, take one
// line.
std::string to_yaml(const Setting& root);

}  // namespace ctrain
