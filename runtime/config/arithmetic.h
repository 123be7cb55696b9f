// Arithmetic on integers and reals with Python's meaning: + - * / // % ** and parentheses. 7 / 2 is 3.5, 7 // 2 is 3,
// -7 // 2 is -4, -7 % 3 is 2, -2 ** 2 is -4, 2 ** -1 is 0.5. Integers have 64 bits; a result that needs more is an
// error.
#pragma once

#include <functional>
#include <string_view>

#include "runtime/config/setting.h"

namespace ctrain {

// The value of a name such as HIDDEN_SIZE or model.hidden_size; throws a usage Error where there is none.
using NameLookup = std::function<Setting(std::string_view)>;

// Throws a usage Error (a reason, without a location) for what is no expression or has no value. A lone name may be of
// any kind; what is calculated with must be a number.
Setting evaluate_expression(std::string_view expression, const NameLookup& lookup);

}  // namespace ctrain
