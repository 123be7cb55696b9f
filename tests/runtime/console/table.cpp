#include "runtime/console/table.h"

#include <catch2/catch.hpp>

#include "tests/runtime/error_message.h"

using namespace ctrain;

TEST_CASE("Columns are as wide as their widest cell and aligned as asked") {
  Table table({{"rank", Table::Align::right}, {"host"}, {"parameters", Table::Align::right}, {"note"}});
  table.add_row({"0", "node1", "1234567", ""});
  table.add_row({"10", "a", "8",
                 "4\xC3\x97"
                 "4"});
  CHECK(table.text() ==
        "rank  host   parameters  note\n"
        "----  -----  ----------  ----\n"
        "   0  node1     1234567\n"
        "  10  a               8  4\xC3\x97"
        "4\n");
}

TEST_CASE("A letter of several bytes takes one column") {
  Table table({{"mesh"}, {"n", Table::Align::right}});
  table.add_row(
      {"2\xC3\x97"
       "2\xC3\x97"
       "2",
       "8"});
  table.add_row({"12345", "9"});
  CHECK(table.text() ==
        "mesh   n\n"
        "-----  -\n"
        "2\xC3\x97"
        "2\xC3\x97"
        "2  8\n"
        "12345  9\n");
}

TEST_CASE("A row of the wrong length is refused") {
  Table table({{"a"}, {"b"}});
  CHECK(running_message([&] { table.add_row({"1"}); }) == "internal error: a row of 1 cells in a table of 2 columns");
}
