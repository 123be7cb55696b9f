// --profile-steps: a Chrome trace of every rank, with all operations of the traced steps and no others; the run itself
// stays what it is without.
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "program.h"

namespace ctrain {
namespace {

using nlohmann::json;

TEST_CASE("--profile-steps writes a trace of every rank") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const std::vector<std::string> arguments = {"--config",     "good.yaml", "--steps", "4",      "--set",
                                              "NUM_EPOCHS=2", "--device",  "cpu",     "--quiet"};
  const auto train = [&](const std::string& output, const std::vector<std::string>& more) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"--output", output});
    all.insert(all.end(), more.begin(), more.end());
    const Ended ended = place.run(all);
    INFO(ended.error);
    REQUIRE(ended.exit_code == 0);
    return json::parse(place.read(output + "/summary.json"))["train"]["loss"].get<double>();
  };
  const double plain = train("plain", {});
  CHECK_FALSE(place.has("plain/trace_rank_0.json"));
  CHECK(train("traced", {"--profile_steps", "2:3"}) == plain);
  for (int rank = 0; rank < 4; ++rank) {
    const json trace = json::parse(place.read("traced/trace_rank_" + std::to_string(rank) + ".json"));
    std::map<std::string, int> counts;
    std::set<int> steps;
    double step_end = 0, step_begin = 0;
    for (const json& event : trace["traceEvents"]) {
      CHECK(event["pid"] == rank);
      if (event["ph"] != "X") continue;
      ++counts[event["name"]];
      const double begin = event["ts"], end = begin + event["dur"].get<double>();
      CHECK(end >= begin);
      if (event["cat"] == "step") {
        CHECK(begin >= step_end);  // one after the other
        step_begin = begin;
        step_end = end;
      } else {  // what is part of a step lies in it, up to roundings of a microsecond
        CHECK(begin >= step_begin - 1);
        CHECK(end <= step_end + 1);
      }
      if (event.contains("args")) steps.insert(event["args"]["step"].get<int>());
    }
    CHECK(steps == std::set<int>{2, 3});
    for (const char* once : {"step 2", "step 3"}) CHECK(counts[once] == 1);
    for (const char* twice : {"forward", "backward", "update"}) CHECK(counts[twice] >= 2);
    for (const char* op : {"matmul", "broadcast", "sgd_update", "attention"}) CHECK(counts[op] > 0);
    CHECK(counts["attention"] % 2 == 0);  // as many in both
  }
  CHECK(
      place.run({"--config", "good.yaml", "--output", "traced", "--overwrite", "--steps", "1", "--quiet"}).exit_code ==
      0);
  CHECK_FALSE(place.has("traced/trace_rank_0.json"));
}

TEST_CASE("--profile-steps takes two steps of the run") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  for (const char* wrong : {"3", "3:", ":3", "3:2", "0:2", "a:b", "1:2x"})
    check_refused(place, {"--config", "good.yaml", "--profile-steps", wrong}, {"--profile-steps", wrong, "10:12"});
  check_refused(place, {"--config", "good.yaml", "--profile-steps", "1:30"}, {"1:30", "ends after step 2"});
}

}  // namespace
}  // namespace ctrain
