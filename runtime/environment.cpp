#include "runtime/environment.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "memory/error.h"

namespace ctrain {

std::optional<int> number_from_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
  if (error != std::errc() || end != view.data() + view.size() || number < 0)
    throw usage_error("the environment's {}={} is not a number", variable, text);
  return number;
}

std::string word_from_environment(std::initializer_list<const char*> variables) {
  for (const char* variable : variables)
    if (const char* text = std::getenv(variable); text != nullptr && *text != '\0') return text;
  return "";
}

}  // namespace ctrain
