#include "runtime/console/metrics_writer.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;
using Json = nlohmann::ordered_json;

namespace {

std::vector<Json> records(const std::filesystem::path& path) {
  std::vector<Json> result;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) result.push_back(Json::parse(line));
  return result;
}

StepMetrics at_step(std::int64_t step) {
  StepMetrics metrics;
  metrics.step = step;
  return metrics;
}

std::vector<std::int64_t> steps_in(const std::filesystem::path& path) {
  std::vector<std::int64_t> steps;
  for (const Json& record : records(path)) steps.push_back(record["step"].get<std::int64_t>());
  return steps;
}

}  // namespace

TEST_CASE("A step's line has the documented keys in their order, and numbers that read back exactly") {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "metrics.jsonl");
  writer.write(StepMetrics{1, 0, 0.1, 1e-05, 1.0 / 3, 65536, 123.456, 7, {}, {}});
  CHECK(read_file(folder / "metrics.jsonl") ==
        R"({"kind":"step","step":1,"epoch":0,"loss":0.1,"lr":1e-05,"grad_norm":0.3333333333333333,)"
        R"("loss_scale":65536,"samples_per_second":123.456,"step_ms":7})"
        "\n");
  writer.write(StepMetrics{2, 0, 2, 0, 0, 1, 1, 1, 5000.0, 0.25});
  const Json second = records(folder / "metrics.jsonl").at(1);
  CHECK(second["tokens_per_second"] == 5000);
  CHECK(second["mfu"] == 0.25);
}

TEST_CASE("Epoch and evaluation lines") {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "metrics.jsonl");
  writer.write(EpochMetrics{EpochMetrics::Kind::epoch, EpochMetrics::Split::train, 430, 0, 0.5, 0.875});
  writer.write(EpochMetrics{EpochMetrics::Kind::eval, EpochMetrics::Split::test, 430, 0, 0.25, {}, 1.5});
  CHECK(read_file(folder / "metrics.jsonl") ==
        R"({"kind":"epoch","step":430,"epoch":0,"split":"train","loss":0.5,"accuracy":0.875})"
        "\n"
        R"({"kind":"eval","step":430,"epoch":0,"split":"test","loss":0.25,"bits_per_byte":1.5})"
        "\n");
}

TEST_CASE("NaN and infinity become null, extremes fit the line") {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "metrics.jsonl");
  using Limits = std::numeric_limits<double>;
  const std::int64_t longest = std::numeric_limits<std::int64_t>::min();
  writer.write(StepMetrics{1, 0, Limits::quiet_NaN(), -Limits::infinity(), Limits::infinity(), 1, 1, 1, {}, {}});
  const double wide = -Limits::denorm_min() * 3, wider = -1.2345678901234567e-300;
  writer.write(StepMetrics{longest, longest, wide, wider, wider, wider, wider, wider, wider, wider, wider, wider});
  const auto lines = records(folder / "metrics.jsonl");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["loss"].is_null());
  CHECK(lines[0]["lr"].is_null());
  CHECK(lines[0]["grad_norm"].is_null());
  CHECK(lines[1]["loss"] == wide);
  CHECK(lines[1]["mfu"] == wider);
}

TEST_CASE("A line is in the file as soon as write returns") {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "metrics.jsonl");
  for (int step = 1; step <= 3; ++step) {
    writer.write(at_step(step));
    CHECK(steps_in(folder / "metrics.jsonl").size() == static_cast<std::size_t>(step));
  }
}

TEST_CASE("A resumed run takes off the steps that it repeats and a line that was cut short") {
  const TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  {
    MetricsWriter writer(path);
    for (int step = 1; step <= 9; ++step) writer.write(at_step(step));
  }
  File::append(path).write(R"({"kind":"step","st)");
  SECTION("from a checkpoint") {
    MetricsWriter writer(path, 6);
    CHECK(steps_in(path) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
    writer.write(at_step(7));
    CHECK(steps_in(path).back() == 7);
  }
  SECTION("from the last step") {
    MetricsWriter(path, 9).write(at_step(10));
    CHECK(steps_in(path).size() == 10);
  }
  SECTION("a line that only lacks its newline is repeated, not joined") {
    std::filesystem::resize_file(path, read_file(path).rfind('\n'));
    MetricsWriter(path, 9).write(at_step(9));
    CHECK(steps_in(path) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9});
  }
  SECTION("a file of something else is left alone") {
    write_file(path, "my diary\nsecret\n");
    CHECK_THAT(running_message([&] { MetricsWriter writer(path, 6); }),
               Catch::Matchers::EndsWith("metrics.jsonl:1: not a line of metrics"));
    CHECK(read_file(path) == "my diary\nsecret\n");
  }
}
