// Arithmetic on integers and reals with Python's meaning: + - * / // % ** and parentheses. 7 / 2 is 3.5, 7 // 2 is 3,
// -7 // 2 is -4, -7 % 3 is 2, -2 ** 2 is -4, 2 ** -1 is 0.5. Integers have 64 bits; a result that needs more is an
// error.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runtime/config/setting.h"

namespace ctrain {

// `a op b` of numbers. Throws a usage Error (a reason, without a location) where there is no such value.
Setting calculate(const Setting& a, std::string_view op, const Setting& b);

// Recursive descent over Python's grammar of operators: sum > product > signed > power > atom. A subclass knows the
// text and what an atom is.
class OperatorParser {
 public:
  virtual ~OperatorParser() = default;

 protected:
  Setting sum();
  virtual std::string peek() = 0;                // the operator that comes next, or something that is none
  virtual bool take(const std::string& op) = 0;  // passes it where it comes next
  virtual Setting atom() = 0;
  // The value of an operator between two atoms; may be given more kinds than numbers.
  virtual Setting combine(const Setting& a, const std::string& op, const Setting& b) { return calculate(a, op, b); }

 private:
  Setting product();
  Setting with_sign();
  Setting power_of_atom();

  int depth_ = 0;
};

// The value of a name such as HIDDEN_SIZE or model.hidden_size; throws a usage Error where there is none.
using NameLookup = std::function<Setting(std::string_view)>;

// Throws a usage Error (a reason, without a location) for what is no expression or has no value. A lone name may be of
// any kind; what is calculated with must be a number.
Setting evaluate_expression(std::string_view expression, const NameLookup& lookup);

}  // namespace ctrain
