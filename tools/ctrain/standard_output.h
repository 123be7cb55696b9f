// Results go to standard output (messages to standard error). A running Error where they do not arrive.
#pragma once

#include <string_view>

namespace ctrain {

void print(std::string_view text);

}  // namespace ctrain
