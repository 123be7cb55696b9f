#include "ops/names.h"

#include <algorithm>
#include <cctype>

#include "memory/error.h"

namespace ctrain {

std::string Name::text() const {
  std::string result(1, letter);
  if (number > 0) result += std::to_string(number);
  return result;
}

Names::Names(std::string_view text) {
  const auto is_digit = [&](std::size_t i) {
    return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
  };
  for (std::size_t i = 0; i < text.size();) {
    Name name{text[i++]};
    require(std::isalpha(static_cast<unsigned char>(name.letter)) != 0, "dimension names are letters: '{}'", text);
    int number = 0;
    while (is_digit(i) && number < 256) number = 10 * number + (text[i++] - '0');
    require(number < 256, "dimension number above 255: '{}'", text);
    name.number = static_cast<std::uint8_t>(number);
    push_back(name);
  }
}

Names::Names(std::initializer_list<Name> names) {
  for (const Name name : names) push_back(name);
}

int Names::index(Name name) const {
  const auto* it = std::find(begin(), end(), name);
  return it == end() ? -1 : static_cast<int>(it - begin());
}

Names Names::without(Name name) const {
  Names result;
  for (const Name other : *this)
    if (other != name) result.push_back(other);
  return result;
}

std::string Names::text() const {
  std::string result;
  for (const Name name : *this) result += name.text();
  return result;
}

void Names::push_back(Name name) {
  require(size_ < capacity, "more than {} dimensions: {}{}", capacity, text(), name.text());
  require(!contains(name), "dimension {} stands twice in {}", name.text(), text());
  names_[size_++] = name;
}

bool Names::operator==(const Names& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

}  // namespace ctrain
