#include "runtime/config/python_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "memory/error.h"
#include "runtime/config/scalar.h"

namespace ctrain {
namespace {

using Kind = Setting::Kind;
using Token = PythonToken;

constexpr std::size_t longest_text = 1 << 16;

// A literal "${" must not be taken for a reference.
std::string without_references(std::string text) {
  for (std::size_t i = text.find("${"); i != std::string::npos; i = text.find("${", i + 3)) text.insert(i, "$");
  return text;
}

Setting placed(Setting value, const Location& at) {
  value.place(at, at);
  return value;
}

Setting empty_mapping() { return Setting::of(std::vector<Setting::Member>{}); }

void add_member(Setting& mapping, const Token& key, Setting value) {
  if (const Setting* first = mapping.find(key.text))
    PythonValues::fail(
        key, fmt::format("this key stands twice; expected it once (first at {})", first->key_location().text()));
  value.place(value.location(), key.at);
  mapping.members().emplace_back(key.text, std::move(value));
}

Setting number(const Token& token) {
  const bool octal = token.text.size() > 1 && token.text[0] == '0' &&
                     std::all_of(token.text.begin(), token.text.end(), [](char c) { return c >= '0' && c <= '9'; });
  Setting value = parse_scalar(token.text);
  if (octal || value.kind() == Kind::text)
    PythonValues::fail(token, "expected a number such as 512, 0.1, 1e-3 or 0xff");
  return value;
}

}  // namespace

// ---- words
// -----------------------------------------------------------------------------------------------------------

void PythonValues::fail(const Token& token, const std::string& reason) {
  throw PythonFailure{token.at, token.text, reason};
}

bool PythonValues::take(const std::string& symbol) {
  if (!next_->is(symbol)) return false;
  ++next_;
  return true;
}

void PythonValues::expect(const std::string& symbol) {
  if (!take(symbol)) fail(*next_, "expected '" + symbol + "'");
}

Token PythonValues::take_name(const std::string& expected) {
  if (next_->kind != Token::Kind::name) fail(*next_, "expected " + expected);
  return *next_++;
}

std::string PythonValues::take_text(const std::string& expected) {
  if (next_->kind != Token::Kind::text) fail(*next_, "expected " + expected);
  std::string text;
  while (next_->kind == Token::Kind::text) text += (next_++)->text;
  return text;
}

// ---- expressions
// -----------------------------------------------------------------------------------------------------

Setting PythonValues::value_list() {
  const Location at = next_->at;
  Setting first = expression();
  if (!next_->is(",")) return first;
  std::vector<Setting> values = {std::move(first)};
  while (take(",") && !at_end()) values.push_back(expression());
  return placed(Setting::of(std::move(values)), at);
}

Setting PythonValues::expression() {
  const Location at = next_->at;
  try {
    return placed(sum(), at);
  } catch (const Error& error) {  // of arithmetic, which knows no place
    throw PythonFailure{at, "", error.what()};
  }
}

Setting PythonValues::combine(const Setting& a, const std::string& op, const Setting& b) {
  if (op == "+" && a.kind() == Kind::text && b.kind() == Kind::text) {
    const bool seam = a.text().ends_with('$') && b.text().starts_with('{');  // would become a reference
    if (a.text().size() + b.text().size() > longest_text)
      throw usage_error("this becomes longer than {} characters", longest_text);
    return Setting::of(a.text() + (seam ? "$" : "") + b.text());
  }
  if (op == "+" && a.kind() == Kind::list && b.kind() == Kind::list) {
    Setting joined = a;
    joined.list().insert(joined.list().end(), b.list().begin(), b.list().end());
    return joined;
  }
  return calculate(a, op, b);
}

Setting PythonValues::atom() {
  Setting value = plain_atom();
  while (next_->is("[")) {
    const Location at = (next_++)->at;
    const Setting subscript = expression();
    expect("]");
    Setting found = part(value, subscript, at);
    value = std::move(found);
  }
  return value;
}

Setting PythonValues::plain_atom() {
  if (next_->kind == Token::Kind::number) return number(*next_++);
  if (next_->kind == Token::Kind::text) return Setting::of(without_references(take_text("a text")));
  if (next_->kind == Token::Kind::name) return name(*next_++);
  if (take("(")) return group();
  if (take("[")) return Setting::of(items("]"));
  if (take("{")) return braces();
  fail(*next_, python_values);
}

std::vector<Setting> PythonValues::items(const std::string& close) {
  std::vector<Setting> values;
  while (!take(close)) {
    values.push_back(expression());
    if (!next_->is(close)) expect(",");
  }
  return values;
}

// A value in parentheses or a tuple; the parenthesis is passed.
Setting PythonValues::group() {
  if (take(")")) return Setting::of(std::vector<Setting>{});
  std::vector<Setting> values = {expression()};
  if (take(")")) return values.front();
  expect(",");
  for (Setting& value : items(")")) values.push_back(std::move(value));
  return Setting::of(std::move(values));
}

// {'key': value}; the brace is passed.
Setting PythonValues::braces() {
  Setting mapping = empty_mapping();
  while (!take("}")) {
    Token key = *next_;
    key.text = take_text("a text as a key");
    if (key.text.empty() || key.text.find("${") != std::string::npos) fail(key, "expected a plain name as a key");
    expect(":");
    add_member(mapping, key, expression());
    if (!next_->is("}")) expect(",");
  }
  return mapping;
}

// dict(key=value); the parenthesis is passed.
Setting PythonValues::keywords() {
  Setting mapping = empty_mapping();
  while (!take(")")) {
    const Token key = take_name("key=value");
    if (!take("=")) fail(*next_, "expected key=value");
    add_member(mapping, key, expression());
    if (!next_->is(")")) expect(",");
  }
  return mapping;
}

Setting& PythonValues::part(Setting& whole, const Setting& subscript, const Location& at) {
  Setting* found = nullptr;
  if (whole.kind() == Kind::mapping && subscript.kind() == Kind::text) found = whole.find(subscript.text());
  if (whole.kind() == Kind::list && subscript.kind() == Kind::integer) {
    const auto size = static_cast<std::int64_t>(whole.list().size());
    const std::int64_t index = subscript.integer() + (subscript.integer() < 0 ? size : 0);
    if (index >= 0 && index < size) found = &whole.list()[static_cast<std::size_t>(index)];
  }
  if (found == nullptr)
    throw PythonFailure{at, fmt::format("[{}]", subscript.inline_text()),
                        fmt::format("there is no such part of {}", whole.inline_text())};
  return *found;
}

// ---- names
// -----------------------------------------------------------------------------------------------------------

Setting PythonValues::name(const Token& token) {
  if (token.text == "None") return {};
  if (token.text == "True" || token.text == "False") return Setting::of(token.text == "True");
  if (token.text == "dict" && take("(")) return keywords();
  if (token.text == "Path" && take("(")) return path();
  if (token.text == "os" && take(".")) return environment();
  if (token.text == "AMP_TYPE" && take(".")) return amp_type();
  if (next_->is("(") || next_->is(".")) fail(token, python_values);
  return names_(token);
}

Setting PythonValues::path() {
  Setting value = expression();
  if (value.kind() != Kind::text)
    throw PythonFailure{value.location(), value.inline_text(), "expected a text in Path()"};
  expect(")");
  return value;
}

// AMP_TYPE.PARALLEL is what NAIVE was called at first.
Setting PythonValues::amp_type() {
  const Token type = take_name("AMP_TYPE.TORCH, AMP_TYPE.NAIVE or AMP_TYPE.APEX");
  if (type.text == "TORCH") return Setting::of("torch");
  if (type.text == "NAIVE" || type.text == "PARALLEL") return Setting::of("naive");
  if (type.text == "APEX") return Setting::of("apex");
  fail(type, "expected AMP_TYPE.TORCH, AMP_TYPE.NAIVE or AMP_TYPE.APEX");
}

// os.environ['NAME'], os.environ.get('NAME'), os.environ.get('NAME', default); "os." is passed.
Setting PythonValues::environment() {
  const std::string expected = "os.environ['NAME'] or os.environ.get('NAME', default)";
  if (const Token word = take_name(expected); word.text != "environ") fail(word, "expected " + expected);
  const bool optional = take(".");
  if (optional)
    if (const Token word = take_name(expected); word.text != "get") fail(word, "expected " + expected);
  expect(optional ? "(" : "[");
  Token variable = *next_;
  variable.text = take_text("the name of an environment variable in quotes");
  Setting fallback = optional && take(",") ? expression() : Setting();
  expect(optional ? ")" : "]");
  const char* value = std::getenv(variable.text.c_str());
  if (value != nullptr) return Setting::of(without_references(value));
  if (!optional)
    fail(variable,
         fmt::format("the environment has no such variable; set it, or give a default: os.environ.get('{}', './{}')",
                     variable.text, "data"));
  return fallback;
}

}  // namespace ctrain
