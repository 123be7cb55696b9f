// A table of named things, such as a model's tensors, in which blocks that repeat are shown once. The first cell of a
// row is a dotted name; successive rows that begin with the same "blocks.3." are a block, and successive blocks with
// the same rows but for the number are folded.
//   name                layout
//   ------------------  ------
//   pos_embed           s h
//   blocks.0-11 (12 x)
//     norm1.weight      h
//     mlp.fc1.weight    h f
#pragma once

#include <string>
#include <vector>

#include "runtime/console/table.h"

namespace ctrain {

class FoldedTable {
 public:
  explicit FoldedTable(std::vector<Table::Column> columns) : columns_(std::move(columns)) {}

  void add_row(const std::string& name, std::vector<std::string> cells);  // as many cells as there are other columns

  [[nodiscard]] std::string text() const;

 private:
  struct Block {
    std::string stem;    // "blocks"; "" of rows that belong to no block
    std::string number;  // "3"
    std::vector<std::vector<std::string>> rows;
  };
  std::vector<Table::Column> columns_;
  std::vector<Block> blocks_;
};

}  // namespace ctrain
