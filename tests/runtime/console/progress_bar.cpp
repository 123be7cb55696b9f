#include "runtime/console/progress_bar.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/runtime/console/captured_console.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr ProgressBar::Time start{};

// What one redraw shows, without the control characters around it.
std::string drawn(CapturedConsole& captured) {
  const std::string text = captured.text(), clear = "\r\033[K";
  REQUIRE(text.starts_with(clear));
  REQUIRE(text.find('\r', 1) == std::string::npos);
  return text.substr(clear.size());
}

}  // namespace

TEST_CASE("On a wide terminal the line shows everything") {
  CapturedConsole captured(true, 150);
  const Logger logger(captured.console, LogLevel::info);
  ProgressBar bar(logger, {2, 100, 200});
  bar.update({0, 1, 2.5, 0.125, 1e-3, 12.25}, start);
  CHECK(drawn(captured) == "epoch 1/2  step 1/100  [>" + std::string(37, ' ') +
                               "]  loss 2.5000  accuracy 12.50 %  lr 1.00e-03  12.2 samples/s");
  bar.update({0, 51, 1.23456, 0.5, 2e-3, 1234.5}, start + seconds(100));  // 2 s a step, 149 to go
  CHECK(drawn(captured) == "epoch 1/2  step 51/100  [" + std::string(19, '=') + ">" + std::string(18, ' ') +
                               "]  4:58 left  loss 1.2346  accuracy 50.00 %  lr 2.00e-03  1234 samples/s");
  bar.update({1, 100, 1, 0.5, 0, 1234.5}, start + seconds(8000));
  CHECK_THAT(drawn(captured), StartsWith("epoch 2/2  step 100/100  [" + std::string(38, '=') + "]  0:00 left"));
}

TEST_CASE("What is not known is not shown, but a loss that is NaN is") {
  CapturedConsole captured(true, 150);
  const Logger logger(captured.console, LogLevel::info);
  ProgressBar bar(logger, {1, 10, 10});
  Progress progress;
  progress.loss = Progress::unknown;
  bar.update(progress, start);
  CHECK_THAT(drawn(captured), EndsWith("]  loss nan"));
}

TEST_CASE("A rate has the unit that it is given") {
  CapturedConsole captured(true, 150);
  const Logger logger(captured.console, LogLevel::info);
  ProgressBar bar(logger, {1, 10, 10});
  bar.update({.step_in_epoch = 1, .rate = 12345, .rate_unit = "tokens/s"}, start);
  CHECK_THAT(drawn(captured), EndsWith("  12345 tokens/s"));
}

TEST_CASE("A line fits any width, and loses its last fields first") {
  for (int width = 1; width <= 200; ++width) {
    CAPTURE(width);
    CapturedConsole captured(true, width);
    const Logger logger(captured.console, LogLevel::info);
    ProgressBar bar(logger, {300, 430, 129000});
    bar.update({0, 1, 2, 0.5, 1e-3, 1000}, start);
    captured.text();
    bar.update({99, 123, 2, 0.5, 1e-3, 1000}, start + seconds(100000));
    const std::string line = drawn(captured);
    CHECK(line.size() < static_cast<std::size_t>(width));
    if (width > 70) {
      CHECK_THAT(line, StartsWith("epoch 100/300  step 123/430  [") && Contains(" left  loss"));
    }
    if (line.find("samples/s") != std::string::npos) CHECK_THAT(line, Contains("accuracy") && Contains("lr "));
    if (width > 130) CHECK_THAT(line, EndsWith("1000 samples/s"));
  }
}

TEST_CASE("A terminal is redrawn at most ten times a second, and at the end") {
  CapturedConsole captured(true, 100);
  const Logger logger(captured.console, LogLevel::info);
  {
    ProgressBar bar(logger, {1, 1000, 1000});
    int redraws = 0;
    for (int step = 1; step <= 999; ++step) {  // 1 ms a step
      bar.update({0, step}, start + milliseconds(step));
      redraws += !captured.text().empty();
    }
    CHECK(redraws == 10);
    bar.update({0, 1000}, start + milliseconds(1000));
    CHECK_THAT(drawn(captured), StartsWith("epoch 1/1  step 1000/1000  ["));
  }
  CHECK(captured.text() == "\n");  // the last line stays
}

TEST_CASE("Without a terminal there is a message for each tenth of an epoch, not within ten seconds") {
  CapturedConsole captured;
  const Logger logger(captured.console, LogLevel::info);
  ProgressBar bar(logger, {2, 100, 200});
  std::vector<std::string> lines;
  const auto run = [&](milliseconds step_time) {
    lines.clear();
    auto now = start;
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (int step = 1; step <= 100; ++step) {
        bar.update({epoch, step, 1, Progress::unknown, Progress::unknown, 200}, now += step_time);
        if (std::string text = captured.text(); !text.empty()) lines.push_back(text);
      }
    }
  };
  SECTION("steps of 2 s: a tenth is 20 s") {
    run(seconds(2));
    REQUIRE(lines.size() == 21);
    CHECK(lines[0] == "epoch 1/2  step 1/100  loss 1.0000  200 samples/s\n");
    CHECK(lines[1] == "epoch 1/2  step 10/100  6:20 left  loss 1.0000  200 samples/s\n");
    CHECK_THAT(lines[11], StartsWith("epoch 2/2  step 10/100  "));
    CHECK_THAT(lines[20], StartsWith("epoch 2/2  step 100/100  0:00 left"));
  }
  SECTION("steps of 0.25 s: a tenth is 2.5 s, so one message in 10 s") {
    run(milliseconds(250));
    CHECK(lines.size() == 6);
  }
  SECTION("steps of 30 s: a tenth is five minutes, so one message a minute") {
    run(seconds(30));
    CHECK(lines.size() > 90);
    CHECK(lines.size() < 130);
  }
}

TEST_CASE("A resumed run measures its pace from where it began") {
  CapturedConsole captured;
  const Logger logger(captured.console, LogLevel::info);
  ProgressBar bar(logger, {10, 100, 1000});
  bar.update({9, 0}, start);
  captured.text();
  bar.update({9, 50}, start + seconds(3700 * 50));  // 3700 s a step, 50 to go
  CHECK_THAT(captured.text(), Contains("  51:23:20 left  "));
}
