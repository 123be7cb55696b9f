// Checks a tree against the table (schema.h) and makes it complete: unknown keys, wrong types, values out of range and
// features that are not built yet are problems; synonyms become the main names, shorthands the full form, missing
// values the defaults. Members come in the table's order. What is wrong is left out of the result, so that later checks
// pass over it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/config/expressions.h"
#include "runtime/config/setting.h"

namespace ctrain {

// `references`: what resolve_references() said; variables of the user (upper-case names that are no keys) that nothing
// uses are warned of. The variables themselves are not part of the result.
Setting apply_schema(const Setting& written, const ReferenceResult& references, Problems& problems,
                     std::vector<std::string>& warnings);

}  // namespace ctrain
