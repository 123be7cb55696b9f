// The reference page of all configuration keys, from the table in schema.h.
#pragma once

#include <string>

namespace ctrain {

std::string configuration_reference();  // Markdown

}  // namespace ctrain
