// A table for people: aligned columns under a header and a rule, as in the start-up table and plan.txt.
//   rank  host   parameters
//   ----  -----  ----------
//      0  node1     1234567
#pragma once

#include <string>
#include <vector>

namespace ctrain {

class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns);

  // One cell a column, UTF-8, each on one line.
  void add_row(std::vector<std::string> cells);

  [[nodiscard]] std::string text() const;  // each line ends with a newline and without blanks

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ctrain
