#include "runtime/console/folded_table.h"

#include <catch2/catch.hpp>

namespace ctrain {
namespace {

FoldedTable table() { return FoldedTable({{"name"}, {"layout"}, {"bytes", Table::Align::right}}); }

TEST_CASE("Blocks that repeat are shown once, others each", "[folded_table]") {
  FoldedTable folded = table();
  folded.add_row("pos_embed", {"s h", "40"});
  for (const char* block : {"blocks.0", "blocks.1", "blocks.2", "blocks.3"}) {
    folded.add_row(std::string(block) + ".norm.weight", {"h", "8"});
    folded.add_row(std::string(block) + ".fc1.weight", {"h f", block == std::string("blocks.2") ? "12" : "32"});
  }
  folded.add_row("head.bias", {"c", "4"});
  CHECK(folded.text() ==
        "name              layout  bytes\n"
        "----------------  ------  -----\n"
        "pos_embed         s h        40\n"
        "blocks.0-1 (2 x)\n"
        "  norm.weight     h           8\n"
        "  fc1.weight      h f        32\n"
        "blocks.2\n"
        "  norm.weight     h           8\n"
        "  fc1.weight      h f        12\n"
        "blocks.3\n"
        "  norm.weight     h           8\n"
        "  fc1.weight      h f        32\n"
        "head.bias         c           4\n");
}

TEST_CASE("Blocks in falling order, and of another kind, are told apart", "[folded_table]") {
  FoldedTable folded = table();
  for (const char* name : {"blocks.2.sum", "blocks.1.sum", "layers.1.sum", "layers.0.sum"})
    folded.add_row(name, {"h", "8"});
  CHECK(folded.text() ==
        "name              layout  bytes\n"
        "----------------  ------  -----\n"
        "blocks.2-1 (2 x)\n"
        "  sum             h           8\n"
        "layers.1-0 (2 x)\n"
        "  sum             h           8\n");
}

TEST_CASE("A number that is no part of its own makes no block", "[folded_table]") {
  FoldedTable folded = table();
  for (const char* name : {"dense_1.weight", "dense_2.weight", "sum_1", "scale.3"}) folded.add_row(name, {"h", "8"});
  const std::string text = folded.text();
  for (const char* name : {"\ndense_1.weight", "\ndense_2.weight", "\nsum_1 ", "\nscale.3 "})
    CHECK_THAT(text, Catch::Matchers::Contains(name));
}

}  // namespace
}  // namespace ctrain
