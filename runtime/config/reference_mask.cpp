#include "runtime/config/reference_mask.h"

#include <algorithm>

#include "memory/error.h"

namespace ctrain {
namespace {

// A mask is one character of U+F0000 to U+FFFFF (four bytes of UTF-8), which says which reference it is, filled up with
// 'x'.
constexpr std::size_t mark_size = 4, most_references = 0xFFFD;

std::string mark_of(std::size_t index) {
  return {'\xF3', static_cast<char>(0xB0 | (index >> 12)), static_cast<char>(0x80 | ((index >> 6) & 0x3F)),
          static_cast<char>(0x80 | (index & 0x3F))};
}

bool mark_at(std::string_view text, std::size_t i) {
  return i + mark_size <= text.size() && text[i] == '\xF3' && static_cast<unsigned char>(text[i + 1]) >= 0xB0;
}

std::size_t index_at(std::string_view text, std::size_t i) {
  const auto bits = [&](std::size_t k, unsigned mask) { return static_cast<unsigned char>(text[i + k]) & mask; };
  return (bits(1, 0x0F) << 12) | (bits(2, 0x3F) << 6) | bits(3, 0x3F);
}

}  // namespace

ReferenceMask::ReferenceMask(std::string_view text, const std::string& file) {
  const auto fail = [&](std::size_t i, const char* expected) -> Error {
    const std::string_view before = text.substr(0, i);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t column = i - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    return usage_error("{}:{}:{}: expected {}", file, line, column, expected);
  };
  for (std::size_t i = 0; i < text.size();) {
    if (mark_at(text, i)) throw fail(i, "no characters of Unicode's private plane 15");
    const std::size_t end = text.substr(i).starts_with("${") ? text.find_first_of("}\r\n", i) : std::string_view::npos;
    if (end == std::string_view::npos || text[end] != '}') {
      masked_ += text[i++];
      continue;
    }
    const std::string_view reference = text.substr(i, end + 1 - i);
    if (reference.size() < mark_size) throw fail(i, "a name or an expression in ${}");
    if (references_.size() == most_references) throw fail(i, "at most 65533 references");
    masked_ += mark_of(references_.size());
    masked_.append(reference.size() - mark_size, 'x');
    references_.emplace_back(reference);
    i = end + 1;
  }
}

std::string ReferenceMask::restore(std::string_view scalar) const {
  std::string restored;
  for (std::size_t i = 0; i < scalar.size();) {
    const std::size_t index = mark_at(scalar, i) ? index_at(scalar, i) : references_.size();
    if (index >= references_.size()) {  // an escape such as "\U000F0000" can spell a mark that stands for nothing
      restored += scalar[i++];
      continue;
    }
    restored += references_[index];
    i += references_[index].size();
  }
  return restored;
}

}  // namespace ctrain
