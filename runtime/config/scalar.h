// One value as text: how a plain YAML scalar gets its type, and how a value is written so that it is read back the
// same.
#pragma once

#include <string>
#include <string_view>

#include "runtime/config/setting.h"

namespace ctrain {

// The type of a plain (unquoted) scalar by the core schema of YAML 1.2: null ~ (or nothing), true false, integers
// (decimal, 0x, 0o; 010 is ten), reals (1e-3, .5, .inf, .nan), else text. So `yes` and `on` are text, unlike in
// YAML 1.1.
Setting parse_scalar(std::string_view text);

// The shortest decimal number that is read back as the same double; always recognisable as a real: 2.0, 0.1, 1e-06.
std::string real_text(double value);

// A text as a YAML scalar: as it is where that is safe, else in double quotes. A literal "${" is written "$${".
std::string quoted_where_needed(const std::string& text);

}  // namespace ctrain
