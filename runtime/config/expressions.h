// References in values, quoted or not:
//   ${KEY}  ${a.b.c}  ${hooks.0.type}      the value of another key, of any kind, under any of its names, defaults
//   included
//   ${env:NAME}  ${env:NAME:-default}      the environment; the default where NAME is unset or empty
//   ${(IMG_SIZE // PATCH_SIZE) ** 2 + 1}   arithmetic (runtime/config/arithmetic.h)
// A value that is one reference takes the other's type; inside other text ("${A}/x") its text is put in. "$${" is a
// literal "${".
#pragma once

#include <set>
#include <string>

#include "runtime/config/setting.h"

namespace ctrain {

struct ReferenceResult {
  std::set<std::string> used;  // the top-level names that references begin with
  bool failed = false;         // values that could not be resolved stay as they were written, and are reported
};

// Replaces every reference of the tree. Unknown names, cycles and errors in expressions are added to the problems.
ReferenceResult resolve_references(Setting& root, Problems& problems);

}  // namespace ctrain
