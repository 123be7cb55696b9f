// Numbers and words from the environment.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>

namespace ctrain {

// A number >= 0; nothing where the variable is not set. A usage Error where it is something else.
[[nodiscard]] std::optional<int> number_from_environment(const char* variable);

// The first of the variables that is set and not empty; "" where none is.
[[nodiscard]] std::string word_from_environment(std::initializer_list<const char*> variables);

}  // namespace ctrain
