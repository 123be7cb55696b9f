#include "runtime/config/scalar.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <regex>

namespace ctrain {
namespace {

template <std::size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& names) {
  for (const auto name : names)
    if (text == name) return true;
  return false;
}

template <typename Number, typename... Base>
std::optional<Number> parse_whole(std::string_view digits, Base... base) {
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base...);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits with at most one point, at least one digit, and an exponent of digits: what from_chars takes, less "inf",
// "nan".
bool looks_real(std::string_view text) {
  std::size_t i = 0, digits = 0;
  bool point = false;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !point)); ++i) {
    if (text[i] == '.')
      point = true;
    else
      ++digits;
  }
  if (digits == 0) return false;
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  if (++i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  if (i == text.size()) return false;
  for (; i < text.size(); ++i)
    if (!is_digit(text[i])) return false;
  return true;
}

}  // namespace

Setting parse_scalar(std::string_view text) {
  static constexpr std::array<std::string_view, 5> nulls = {"", "~", "null", "Null", "NULL"};
  static constexpr std::array<std::string_view, 3> trues = {"true", "True", "TRUE"};
  static constexpr std::array<std::string_view, 3> falses = {"false", "False", "FALSE"};
  static constexpr std::array<std::string_view, 3> infinities = {".inf", ".Inf", ".INF"};
  static constexpr std::array<std::string_view, 3> nans = {".nan", ".NaN", ".NAN"};
  if (one_of(text, nulls)) return {};
  if (one_of(text, trues)) return Setting::of(true);
  if (one_of(text, falses)) return Setting::of(false);
  if (one_of(text, nans)) return Setting::of(std::numeric_limits<double>::quiet_NaN());

  if (text.starts_with("0x"))
    if (const auto value = parse_whole<std::int64_t>(text.substr(2), 16); value && *value >= 0 && text[2] != '-')
      return Setting::of(*value);
  if (text.starts_with("0o"))
    if (const auto value = parse_whole<std::int64_t>(text.substr(2), 8); value && *value >= 0 && text[2] != '-')
      return Setting::of(*value);

  const bool sign = text.starts_with('-') || text.starts_with('+');
  const std::string_view magnitude = text.substr(sign ? 1 : 0);
  const bool negative = text.starts_with('-');
  if (one_of(magnitude, infinities)) {
    const double infinity = std::numeric_limits<double>::infinity();
    return Setting::of(negative ? -infinity : infinity);
  }
  if (!looks_real(magnitude)) return Setting::of(std::string(text));
  const std::string_view number = negative ? text : magnitude;  // from_chars takes no plus sign
  if (const auto value = parse_whole<std::int64_t>(number)) return Setting::of(*value);
  if (const auto value = parse_whole<double>(number)) return Setting::of(*value);
  return Setting::of(std::string(text));
}

std::string real_text(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string quoted_where_needed(const std::string& text) {
  static const std::regex plain(R"((\.{0,2}/)?[A-Za-z0-9_][A-Za-z0-9_./+-]*)");
  static const std::regex yaml_1_1(R"(y|n|yes|no|on|off)", std::regex::icase);  // booleans for older readers
  if (text.size() < 200 && std::regex_match(text, plain) && !std::regex_match(text, yaml_1_1) &&
      parse_scalar(text).kind() == Setting::Kind::text)
    return text;
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (quoted += '\\') += c;
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      quoted += fmt::format("\\x{:02x}", byte);
    else if (c == '$' && i + 1 < text.size() && text[i + 1] == '{')
      quoted += "$$";
    else
      quoted += c;
  }
  return quoted + '"';
}

}  // namespace ctrain
