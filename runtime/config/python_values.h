// The values of a Python file (runtime/config/python_reader.h lists them), read from the words of one line.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/config/arithmetic.h"
#include "runtime/config/python_tokens.h"
#include "runtime/config/setting.h"

namespace ctrain {

// A problem of one line; `value` may be empty.
struct PythonFailure {
  Location at;
  std::string value, reason;
};

inline constexpr const char* python_values =
    "expected a number, a text, None, True, False, [...], (...), {...}, dict(...), a name assigned above, arithmetic, "
    "AMP_TYPE.X, os.environ['X'], os.environ.get('X', 'default') or Path(...)";

// Throws PythonFailure for what is no such value. Every value knows where it begins.
class PythonValues : OperatorParser {
 public:
  // The value of a name that was assigned; throws where there is none.
  using Names = std::function<Setting(const PythonToken&)>;
  explicit PythonValues(Names names) : names_(std::move(names)) {}

  void start(const std::vector<PythonToken>& line) { next_ = line.data(); }  // `line` ends with a line_end

  [[nodiscard]] const PythonToken& next() const { return *next_; }
  [[nodiscard]] bool at_end() const { return next_->kind == PythonToken::Kind::line_end; }
  void pass() { ++next_; }
  bool take(const std::string& symbol) override;
  void expect(const std::string& symbol);
  std::string take_text(const std::string& expected);  // and those right beside it
  [[noreturn]] static void fail(const PythonToken& token, const std::string& reason);

  Setting expression();
  Setting value_list();  // an expression, or several with commas, which are a list
  // The member or item of a value that a subscript at a place names.
  static Setting& part(Setting& whole, const Setting& subscript, const Location& at);

 private:
  std::string peek() override { return next_->kind == PythonToken::Kind::symbol ? next_->text : ""; }
  Setting combine(const Setting& a, const std::string& op, const Setting& b) override;
  Setting atom() override;
  Setting plain_atom();
  std::vector<Setting> items(const std::string& close);
  Setting group();
  Setting braces();
  Setting keywords();
  Setting name(const PythonToken& token);
  Setting path();
  Setting amp_type();
  Setting environment();
  PythonToken take_name(const std::string& expected);

  Names names_;
  const PythonToken* next_ = nullptr;
};

}  // namespace ctrain
