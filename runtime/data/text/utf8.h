// What is valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF (Unicode 15, table 3-7).
#pragma once

#include <cstddef>
#include <string_view>

namespace ctrain {

// Where the first byte stands that belongs to no valid character; text.size() where there is none.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace ctrain
