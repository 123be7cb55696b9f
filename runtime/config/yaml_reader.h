// YAML text to a tree of settings that know where they were written. The only place that uses yaml-cpp.
//
// Beyond what yaml-cpp does:
//   - ${...} may stand anywhere, quoted or not: {q: ${A}} and [${A + 1}] are read; the references are resolved later
//     (runtime/config/expressions.h)
//   - a key that stands twice in one mapping is a problem
//   - `<<: *base` and `<<: [*a, *b]` merge mappings (a key's own value wins, then the earlier mapping's)
//   - an alias inside its own anchor, a second document, tags, keys that are no plain names, and a tree of more than
//     100,000 values (aliases of aliases) are errors
//   - scalars are typed by YAML 1.2 (runtime/config/scalar.h): 010 is ten, yes is text
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/config/setting.h"

namespace ctrain {

// `file` is the name in locations. What leaves no tree to go on with (a syntax error) throws a usage Error.
Setting read_yaml(std::string_view text, const std::string& file, Problems& problems);

// The text of a file; a usage Error names a missing file and the nearest name in its folder.
std::string read_configuration_file(const std::filesystem::path& path);

}  // namespace ctrain
