#include "runtime/console/task_progress.h"

#include <catch2/catch.hpp>

#include "tests/runtime/console/captured_console.h"

using namespace ctrain;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr TaskProgress::Time start{};

}  // namespace

TEST_CASE("A task on a terminal is one line with a bar") {
  CapturedConsole captured(true, 60);
  const Logger logger(captured.console, LogLevel::info);
  TaskProgress progress(&logger, "counting");
  progress.update(0, start);
  CHECK(captured.text() == "\r\033[Kcounting  [>" + std::string(37, ' ') + "]    0 %");
  progress.update(0.1, start + milliseconds(99));
  CHECK(captured.text().empty());
  progress.update(0.5, start + seconds(90));
  CHECK(captured.text() == "\r\033[Kcounting  [==============>" + std::string(14, ' ') + "]   50 %  1:30 left");
}

TEST_CASE("Elsewhere a task is a message now and then") {
  CapturedConsole captured;
  const Logger logger(captured.console, LogLevel::info);
  TaskProgress progress(&logger, "counting");
  progress.update(0, start);
  progress.update(0.25, start + seconds(9));
  CHECK(captured.text().empty());
  progress.update(0.5, start + seconds(10));
  CHECK(captured.text() == "counting   50 %  0:10 left\n");
  progress.update(0.6, start + seconds(19));
  CHECK(captured.text().empty());
}

TEST_CASE("A task without a console is silent") {
  TaskProgress progress(nullptr, "counting");
  progress.update(0.5, start);
}
