// The configuration's `layout`: wanted layouts of parameters by name pattern (the idea of Colossal-AI's ColoTensor).
// They come before the mode's rule for storing a parameter; the partition pass infers the rest, so the numbers stay the
// same.
#pragma once

#include <vector>

#include "parallel/tensor/mode.h"

namespace ctrain {

// `*` stands for any text, dots included.
[[nodiscard]] bool fits_pattern(const std::string& name, const std::string& pattern);

// The first that fits, or nullptr.
[[nodiscard]] const LayoutWish* find_wish(const std::vector<LayoutWish>& wishes, const std::string& name);

// All tensor axes on the wished dimension of the parameter's public shape; throws a usage error where they do not
// divide it or there is no such dimension.
[[nodiscard]] Layout wished_layout(const LayoutWish& wish, const Value& parameter, const Mode& mode,
                                   const Dimensions& dimensions);

}  // namespace ctrain
