#include "runtime/console/table.h"

#include <algorithm>
#include <utility>

#include "memory/error.h"

namespace ctrain {

namespace {

// Code points, each of which takes one column in the scripts that our tables use; continuation bytes are 10xxxxxx.
std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add_row(std::vector<std::string> cells) {
  require(cells.size() == columns_.size(), "a row of {} cells in a table of {} columns", cells.size(), columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::string> titles, rules;
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    std::size_t width = display_width(columns_[column].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[column]));
    widths.push_back(width);
    titles.push_back(columns_[column].title);
    rules.emplace_back(width, '-');
  }
  std::string result;
  const auto append_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t column = 0; column < cells.size(); ++column) {
      if (column > 0) line += "  ";
      const std::string blanks(widths[column] - display_width(cells[column]), ' ');
      line += columns_[column].align == Align::right ? blanks + cells[column] : cells[column] + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  append_line(titles);
  append_line(rules);
  for (const auto& row : rows_) append_line(row);
  return result;
}

}  // namespace ctrain
