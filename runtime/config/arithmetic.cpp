#include "runtime/config/arithmetic.h"

#include <cctype>
#include <cmath>
#include <cstdint>
#include <string>

#include "memory/error.h"
#include "runtime/config/scalar.h"

namespace ctrain {
namespace {

bool is_integer(const Setting& value) { return value.kind() == Setting::Kind::integer; }

Setting finite(double value) {
  if (!std::isfinite(value)) throw usage_error("the result is no finite number");
  return Setting::of(value);
}

Setting whole(bool overflow, std::int64_t value) {
  if (overflow) throw usage_error("the result needs more than 64 bits");
  return Setting::of(value);
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// As CPython does it: through the exact remainder, since a / b may round up to the next integer (1.0 // 0.1 is 9).
double remainder(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
double floor_divide(double a, double b) { return std::round((a - remainder(a, b)) / b); }

Setting integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  bool overflow = false, square_overflow = false;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) overflow |= square_overflow || __builtin_mul_overflow(result, base, &result);
    square_overflow |= __builtin_mul_overflow(base, base, &base);
  }
  return whole(overflow, result);
}

Setting power(const Setting& a, const Setting& b) {
  if (is_integer(a) && is_integer(b) && b.integer() >= 0) return integer_power(a.integer(), b.integer());
  if (a.real() == 0 && b.real() < 0) throw usage_error("zero has no negative power");
  return finite(std::pow(a.real(), b.real()));
}

Setting divide(const Setting& a, std::string_view op, const Setting& b) {
  if (b.real() == 0) throw usage_error("division by zero");
  if (op == "/") return finite(a.real() / b.real());
  if (!is_integer(a) || !is_integer(b))
    return finite(op == "//" ? floor_divide(a.real(), b.real()) : remainder(a.real(), b.real()));
  const std::int64_t x = a.integer(), y = b.integer();
  if (y == -1) return op == "%" ? Setting::of(0) : whole(x == INT64_MIN, x == INT64_MIN ? 0 : -x);
  const std::int64_t quotient = floor_divide(x, y);
  return Setting::of(op == "//" ? quotient : x - quotient * y);
}

const Setting& number(const Setting& value) {
  if (!is_integer(value) && value.kind() != Setting::Kind::real)
    throw usage_error("{} is no number to calculate with", value.inline_text());
  return value;
}

class TextParser : public OperatorParser {
 public:
  TextParser(std::string_view text, const NameLookup& lookup) : rest_(text), lookup_(lookup) {}

  Setting parse() {
    Setting value = sum();
    peek();  // passes blanks
    if (!rest_.empty()) throw usage_error("'{}' does not belong into an expression", rest_);
    return value;
  }

 private:
  std::string peek() override {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front()))) rest_.remove_prefix(1);
    for (const char* op : {"**", "//", "+", "-", "*", "/", "%", "(", ")"})
      if (rest_.starts_with(op)) return op;
    return "";
  }
  bool take(const std::string& op) override {
    if (peek() != op) return false;
    rest_.remove_prefix(op.size());
    return true;
  }

  Setting atom() override {
    if (take("(")) {
      Setting value = sum();
      if (!take(")")) throw usage_error("')' is missing");
      return value;
    }
    // Letters, digits, _ and points; the sign of an exponent belongs to a number.
    std::size_t end = 0;
    const bool digit_first = !rest_.empty() && (std::isdigit(static_cast<unsigned char>(rest_[0])) || rest_[0] == '.');
    const auto belongs = [&](std::size_t i) {
      const char c = rest_[i];
      const bool after_e = digit_first && i > 0 && (rest_[i - 1] == 'e' || rest_[i - 1] == 'E');
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || (after_e && (c == '+' || c == '-'));
    };
    while (end < rest_.size() && belongs(end)) ++end;
    const std::string_view word = rest_.substr(0, end);
    if (word.empty())
      throw usage_error("a name or a number is missing{}", rest_.empty() ? "" : fmt::format(" before '{}'", rest_));
    rest_.remove_prefix(end);
    if (!digit_first) return lookup_(word);
    const Setting value = parse_scalar(word);
    return number(value);
  }

  std::string_view rest_;
  const NameLookup& lookup_;
};

}  // namespace

Setting calculate(const Setting& a, std::string_view op, const Setting& b) {
  number(a);
  number(b);
  if (op == "**") return power(a, b);
  if (op == "/" || op == "//" || op == "%") return divide(a, op, b);
  if (is_integer(a) && is_integer(b)) {
    std::int64_t result = 0;
    const std::int64_t x = a.integer(), y = b.integer();
    const bool overflow = op == "+"   ? __builtin_add_overflow(x, y, &result)
                          : op == "-" ? __builtin_sub_overflow(x, y, &result)
                                      : __builtin_mul_overflow(x, y, &result);
    return whole(overflow, result);
  }
  const double x = a.real(), y = b.real();
  return finite(op == "+" ? x + y : op == "-" ? x - y : x * y);
}

Setting OperatorParser::sum() {
  Setting value = product();
  for (std::string op = peek(); op == "+" || op == "-"; op = peek()) {
    take(op);
    value = combine(value, op, product());
  }
  return value;
}

Setting OperatorParser::product() {
  Setting value = with_sign();
  for (std::string op = peek(); op == "*" || op == "/" || op == "//" || op == "%"; op = peek()) {
    take(op);
    value = combine(value, op, with_sign());
  }
  return value;
}

Setting OperatorParser::with_sign() {
  constexpr int deepest = 100;
  if (depth_ == deepest) throw usage_error("more than {} levels of parentheses and signs", deepest);
  struct Level {
    int& depth;
    explicit Level(int& counter) : depth(counter) { ++depth; }
    ~Level() { --depth; }
  } const level(depth_);
  if (take("-")) return calculate(Setting::of(0), "-", with_sign());
  if (take("+")) return number(with_sign());
  return power_of_atom();
}

Setting OperatorParser::power_of_atom() {
  Setting base = atom();
  return take("**") ? combine(base, "**", with_sign()) : base;
}

Setting evaluate_expression(std::string_view expression, const NameLookup& lookup) {
  return TextParser(expression, lookup).parse();
}

}  // namespace ctrain
