#include "runtime/config/python_tokens.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "memory/error.h"

namespace ctrain {
namespace {

using Kind = PythonToken::Kind;

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

class Splitter {
 public:
  Splitter(std::string_view text, const std::string& file) : text_(text), file_(file) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
  }

  std::vector<std::vector<PythonToken>> run() {
    while (at_ < text_.size()) next();
    if (!open_.empty()) fail(open_.back().at, "'" + open_.back().text + "' is never closed");
    end_line();
    return std::move(lines_);
  }

 private:
  void next() {
    const char c = text_[at_], following = peek(1);
    if (c == '\n') {
      if (open_.empty()) end_line();
      pass_line_end();
    } else if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (c == '\\' && following == '\n') {
      ++at_;
      pass_line_end();
    } else if (c == '\\' && following == '\r' && peek(2) == '\n') {
      at_ += 2;
      pass_line_end();
    } else if (c == ' ' || c == '\t' || c == '\f' || (c == '\r' && following == '\n')) {
      ++at_;
    } else if (is_digit(c) || (c == '.' && is_digit(following))) {
      number();
    } else if (is_name_start(c)) {
      name_or_text();
    } else if (c == '\'' || c == '"') {
      quoted(here(), false);
    } else {
      symbol();
    }
  }

  [[nodiscard]] char peek(std::size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  [[nodiscard]] Location here() const { return {file_, line_, static_cast<int>(at_ - line_start_) + 1}; }
  [[noreturn]] static void fail(const Location& at, const std::string& reason) {
    throw usage_error("{}: {}", at.text(), reason);
  }

  void pass_line_end() {
    line_start_ = ++at_;
    ++line_;
  }
  void end_line() {
    if (words_.empty()) return;
    words_.push_back({Kind::line_end, "the end of the line", here()});
    lines_.push_back(std::exchange(words_, {}));
  }

  void number() {
    const Location at = here();
    std::string digits;
    for (; is_name_part(peek(0)) || peek(0) == '.'; ++at_) {
      if (peek(0) == '_') continue;  // 1_000
      digits += peek(0);
      const bool exponent = (peek(0) == 'e' || peek(0) == 'E') && !digits.starts_with("0x");
      if (exponent && (peek(1) == '+' || peek(1) == '-')) digits += text_[++at_];
    }
    words_.push_back({Kind::number, digits, at});
  }

  void name_or_text() {
    const Location at = here();
    const std::size_t start = at_;
    while (is_name_part(peek(0))) ++at_;
    const std::string name(text_.substr(start, at_ - start));
    if (peek(0) != '\'' && peek(0) != '"') {
      words_.push_back({Kind::name, name, at});
      return;
    }
    const bool raw = name == "r" || name == "R";
    if (!raw && name != "u" && name != "U") fail(at, "'" + name + "' before a text: expected no such prefix");
    quoted(at, raw);
  }

  void quoted(const Location& at, bool raw) {
    const char quote = peek(0);
    const std::string triple(3, quote);
    const bool is_triple = text_.substr(at_).starts_with(triple);
    const std::string end = is_triple ? triple : std::string(1, quote);
    at_ += end.size();
    std::string value;
    while (!text_.substr(at_).starts_with(end)) {
      if (at_ >= text_.size() || (peek(0) == '\n' && !is_triple))
        fail(at, "this text is never closed; expected " + end);
      if (peek(0) == '\\') {
        escape(value, raw);
      } else if (peek(0) == '\n') {
        value += '\n';
        pass_line_end();
      } else {
        if (peek(0) != '\r' || peek(1) != '\n') value += peek(0);
        ++at_;
      }
    }
    at_ += end.size();
    words_.push_back({Kind::text, value, at});
  }

  void escape(std::string& value, bool raw) {
    constexpr std::string_view written = "\\'\"ntrfv", meant = "\\'\"\n\t\r\f\v";
    const std::size_t which = written.find(peek(1));
    if (raw && (peek(1) == '\\' || peek(1) == '\'' || peek(1) == '"')) {  // the quote does not end the text
      value += text_.substr(at_, 2);
      at_ += 2;
    } else if (raw) {
      value += text_[at_++];
    } else if (peek(1) == '\n') {
      ++at_;
      pass_line_end();
    } else if (which != std::string_view::npos) {
      value += meant[which];
      at_ += 2;
    } else {
      fail(here(), R"(this escape is not understood; expected \\, \', \", \n, \t, \r, \f or \v)");
    }
  }

  void symbol() {
    for (const char* typographic : {"\u2018", "\u2019", "\u201C", "\u201D"})
      if (text_.substr(at_).starts_with(typographic)) fail(here(), "a typographic quote; expected ' or \"");
    std::string found(1, text_[at_]);
    for (const char* two : {"**", "//", "==", "!=", "<=", ">=", "->", ":="})
      if (text_.substr(at_).starts_with(two)) found = two;
    if (std::string_view("()[]{},=:.+-*/%;<>@&|^~!").find(found[0]) == std::string_view::npos)
      fail(here(), "a character that does not belong here");
    follow_brackets(found);
    words_.push_back({Kind::symbol, found, here()});
    at_ += found.size();
  }

  void follow_brackets(const std::string& found) {
    constexpr std::string_view opening = "([{", closing = ")]}";
    if (opening.find(found) != std::string_view::npos) open_.push_back({Kind::symbol, found, here()});
    const std::size_t which = closing.find(found);
    if (which == std::string_view::npos) return;
    if (open_.empty()) fail(here(), "'" + found + "' closes nothing");
    if (open_.back().text[0] != opening[which])
      fail(here(), "'" + found + "' does not close the '" + open_.back().text + "' at " + open_.back().at.text());
    open_.pop_back();
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0, line_start_ = 0;
  int line_ = 1;
  std::vector<PythonToken> open_;   // brackets
  std::vector<PythonToken> words_;  // of the line so far
  std::vector<std::vector<PythonToken>> lines_;
};

}  // namespace

std::vector<std::vector<PythonToken>> split_python_lines(std::string_view text, const std::string& file) {
  if (!is_utf8(text)) throw usage_error("{}: expected text in UTF-8", file);
  return Splitter(text, file).run();
}

}  // namespace ctrain
