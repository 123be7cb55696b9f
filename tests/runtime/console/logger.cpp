#include "runtime/console/logger.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "runtime/file.h"
#include "tests/runtime/console/captured_console.h"
#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("The console shows level and rank where they matter, and drops what is above the level") {
  CapturedConsole captured;
  const Logger logger(captured.console, LogLevel::info);
  logger.info("epoch {} of {}", 1, 2);
  logger.warning("careful");
  logger.for_rank(3).error("lost");
  logger.for_rank(3).info("here");
  logger.debug("unseen");
  CHECK(captured.text() == "epoch 1 of 2\nwarning: careful\nrank 3: error: lost\nrank 3: here\n");
}

TEST_CASE(
    "log.txt has time, rank and level on every line, also from before its opening, whatever the console's level") {
  const TemporaryFolder folder;
  CapturedConsole captured;
  Logger logger(captured.console, LogLevel::warning);
  const Logger other = logger.for_rank(2);
  logger.info("before");
  other.warning("early");
  logger.debug("never");
  logger.open_file(folder / "log.txt");
  logger.info("two\nlines");
  other.warning("from another rank");
  logger.debug("never");
  CHECK(captured.text() == "rank 2: warning: early\nrank 2: warning: from another rank\n");
  const auto lines = lines_of(read_file(folder / "log.txt"));
  REQUIRE(lines.size() == 5);
  const std::string time = R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} )";
  CHECK(std::regex_match(lines[0], std::regex(time + "rank 0 info: before")));
  CHECK(std::regex_match(lines[1], std::regex(time + "rank 2 warning: early")));
  CHECK(std::regex_match(lines[2], std::regex(time + "rank 0 info: two")));
  CHECK(std::regex_match(lines[3], std::regex(time + "rank 0 info: lines")));
  CHECK(std::regex_match(lines[4], std::regex(time + "rank 2 warning: from another rank")));

  Logger(logger).open_file(folder / "log.txt");  // a resumed run goes on in the same file
  logger.info("more");
  CHECK(lines_of(read_file(folder / "log.txt")).size() == 6);
}

TEST_CASE("Messages of several ranks stay whole") {
  const TemporaryFolder folder;
  CapturedConsole captured;
  Logger logger(captured.console, LogLevel::info);
  logger.open_file(folder / "log.txt");
  constexpr int ranks = 4, messages = 100;
  const std::string filler(300, 'x');
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&logger, &filler, rank] {
        for (int i = 0; i < messages; ++i) logger.for_rank(rank + 1).info("{} {}", i, filler);
      });
    }
  }
  std::string console_text;
  for (std::string part = captured.text(); !part.empty(); part = captured.text()) console_text += part;
  const auto on_console = lines_of(console_text), in_file = lines_of(read_file(folder / "log.txt"));
  REQUIRE(on_console.size() == ranks * messages);
  REQUIRE(in_file.size() == ranks * messages);
  std::set<std::string> expected;
  for (int rank = 1; rank <= ranks; ++rank) {
    for (int i = 0; i < messages; ++i) expected.insert(fmt::format("rank {}: {} {}", rank, i, filler));
  }
  CHECK(std::set<std::string>(on_console.begin(), on_console.end()) == expected);
  CHECK(std::all_of(in_file.begin(), in_file.end(), [&](const auto& line) { return line.ends_with(" " + filler); }));
}

TEST_CASE("Level names are parsed, and nothing else") {
  CHECK(parse_log_level("error") == LogLevel::error);
  CHECK(parse_log_level("debug") == LogLevel::debug);
  CHECK_FALSE(parse_log_level("Info").has_value());
  CHECK_FALSE(parse_log_level("").has_value());
}

TEST_CASE("A log file that cannot be opened is an error, one that cannot be written is told and given up") {
  const TemporaryFolder folder;
  CapturedConsole captured;
  Logger logger(captured.console, LogLevel::info);
  CHECK_THAT(running_message([&] { logger.open_file(folder / "none" / "log.txt"); }),
             Catch::Matchers::Contains("cannot open: No such file"));
  logger.open_file("/dev/full");
  logger.info("one");
  logger.info("two");
  CHECK(captured.text() == "one\n/dev/full: cannot write: No space left on device\ntwo\n");
}
