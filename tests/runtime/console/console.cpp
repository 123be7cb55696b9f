#include "runtime/console/console.h"

#include <catch2/catch.hpp>

#include "tests/runtime/console/captured_console.h"

using namespace ctrain;

TEST_CASE("Lines that stay appear above the status line, which is redrawn") {
  CapturedConsole captured(/*is_terminal=*/true, /*width=*/20);
  captured.console.show_status("working");
  CHECK(captured.text() == "\r\033[Kworking");
  captured.console.print("a message");
  CHECK(captured.text() == "\r\033[Ka message\nworking");
  captured.console.show_status("still working on something long");
  CHECK(captured.text() == "\r\033[Kstill working on so");  // 19 of 20 columns
  captured.console.keep_status();
  CHECK(captured.text() == "\n");
  captured.console.print("done");
  CHECK(captured.text() == "done\n");
}

TEST_CASE("Without a terminal there are no status lines and no control characters") {
  CapturedConsole captured;
  captured.console.show_status("working");
  captured.console.print("a message");
  captured.console.keep_status();
  CHECK(captured.text() == "a message\n");
}
