#include "runtime/console/folded_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace ctrain {
namespace {

struct DottedName {
  std::string stem, number, rest;
};

// "blocks.3.norm1.weight" in its parts; a name without a number between dots is all rest.
DottedName parts_of(const std::string& name) {
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const std::size_t end = name.find_first_not_of("0123456789", dot + 1);
    if (end != std::string::npos && end > dot + 1 && name[end] == '.')
      return {name.substr(0, dot), name.substr(dot + 1, end - dot - 1), name.substr(end + 1)};
  }
  return {"", "", name};
}

}  // namespace

void FoldedTable::add_row(const std::string& name, std::vector<std::string> cells) {
  const auto [stem, number, rest] = parts_of(name);
  if (blocks_.empty() || blocks_.back().stem != stem || blocks_.back().number != number)
    blocks_.push_back({stem, number, {}});
  cells.insert(cells.begin(), stem.empty() ? rest : "  " + rest);
  blocks_.back().rows.push_back(std::move(cells));
}

std::string FoldedTable::text() const {
  Table table(columns_);
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto is_other = [&](const Block& next) {
      return next.stem.empty() || next.stem != block->stem || next.rows != block->rows;
    };
    const auto end = std::find_if(block + 1, blocks_.end(), is_other);
    if (!block->stem.empty()) {
      std::vector<std::string> title(columns_.size());
      title[0] = end - block == 1
                     ? fmt::format("{}.{}", block->stem, block->number)
                     : fmt::format("{}.{}-{} ({} x)", block->stem, block->number, (end - 1)->number, end - block);
      table.add_row(title);
    }
    for (const auto& row : block->rows) table.add_row(row);
    block = end;
  }
  return table.text();
}

}  // namespace ctrain
