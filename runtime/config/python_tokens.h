// The words of a Python file: names, numbers, texts and symbols, line by line. Comments, blank lines and the ends of
// lines inside brackets or after a backslash are passed over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/setting.h"

namespace ctrain {

struct PythonToken {
  enum class Kind { name, number, text, symbol, line_end };
  Kind kind = Kind::line_end;
  std::string text;  // of a text: what stands between its quotes, escapes replaced
  Location at;

  [[nodiscard]] bool is(std::string_view symbol) const { return kind == Kind::symbol && text == symbol; }
  [[nodiscard]] bool is_name(std::string_view name) const { return kind == Kind::name && text == name; }
};

// The lines that are not empty, each closed by a line_end. `file` is the name in locations. A usage Error tells the
// first place that cannot be divided into words: an open quote or bracket, an unknown character or escape.
std::vector<std::vector<PythonToken>> split_python_lines(std::string_view text, const std::string& file);

}  // namespace ctrain
