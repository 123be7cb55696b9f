#include "runtime/data/text/pre_tokenizer.h"

#include <cstdint>

namespace ctrain {
namespace {

// GPT-2's expression, with the white space of Unicode spelt out (PCRE2's own \s has one character more). Every
// character fits one of the alternatives, so that a match begins where the one before ended.
constexpr std::string_view white_space =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

std::string pattern_text() {
  return fmt::format(R"('(?:[sdmt]|ll|ve|re)| ?\p{{L}}+| ?\p{{N}}+| ?[^{0}\p{{L}}\p{{N}}]+|[{0}]+(?![^{0}])|[{0}]+)",
                     white_space);
}

bool is_ascii_space(char c) { return (c >= '\t' && c <= '\r') || c == ' '; }

// Whether the character that ends here is surely none of white space. All of Unicode's that are not ASCII begin with
// one of four bytes, which many other characters share.
bool ends_visible(std::string_view text) {
  const char last = text.back();
  if (static_cast<std::uint8_t>(last) < 0x80) return !is_ascii_space(last);
  std::size_t lead = text.size() - 1;
  while (lead > 0 && (static_cast<std::uint8_t>(text[lead]) & 0xC0) == 0x80) --lead;
  const std::string_view character = text.substr(lead);
  const auto first = static_cast<std::uint8_t>(character.front());
  if (first == 0xE3) return character != "\u3000";
  return first >= 0xC3 && first != 0xE1 && first != 0xE2;
}

}  // namespace

PreTokenizer::PreTokenizer() {
  const std::string text = pattern_text();
  int error = 0;
  std::size_t place = 0;
  pattern_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), PCRE2_UTF | PCRE2_ANCHORED,
                               &error, &place, nullptr));
  require(pattern_ != nullptr, "PCRE2 refuses the pre-tokenizer's expression at {}: error {}", place, error);
  pcre2_jit_compile(pattern_.get(), PCRE2_JIT_COMPLETE);  // where it cannot, PCRE2 interprets the expression
  match_.reset(pcre2_match_data_create_from_pattern(pattern_.get(), nullptr));
  range_ = pcre2_get_ovector_pointer(match_.get());
}

std::size_t PreTokenizer::last_cut(std::string_view text) {
  // A word that is not white space ends before white space, and what follows does not look back.
  for (std::size_t i = text.size(); i-- > 1;)
    if (is_ascii_space(text[i]) && ends_visible(text.substr(0, i))) return i;
  return 0;
}

}  // namespace ctrain
