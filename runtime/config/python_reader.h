// The text of a Colossal-AI style .py file to the tree of settings that read_yaml() makes of YAML. No Python is run:
// the file is read by a grammar of its own, which has
//   - assignments: NAME = value, A, B = 1, 2 and NAME['key'] = value; imports, comments and lone texts are passed over
//   - numbers, texts (also side by side, triple-quoted, raw), None, True, False, [...], (...), {...} and dict(...)
//   - + - * / // % ** with Python's meaning (runtime/config/arithmetic.h), + of two texts or two lists
//   - names assigned further up, and their parts: parallel['pipeline'], MEAN[0]
//   - AMP_TYPE.TORCH and the like, os.environ['DATA'], os.environ.get('DATA', './data'), Path(text)
// Anything else is a problem that says where it stands and what is allowed. Tuples are lists; paths are texts; a
// top-level CONFIG = dict(...) stands for assignments of its members.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/setting.h"

namespace ctrain {

struct PythonFile {
  Setting root;                // a mapping of the assigned names
  std::set<std::string> used;  // those that values further down use
};

// `file` is the name in locations. Overrides (KEY.PATH=VALUE) of a name take effect where it is assigned, so that what
// is calculated from it follows. What cannot be divided into words throws a usage Error.
PythonFile read_python(std::string_view text, const std::string& file, const std::vector<std::string>& overrides,
                       Problems& problems);

}  // namespace ctrain
