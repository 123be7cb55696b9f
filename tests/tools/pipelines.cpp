// Pipelines from the command line: the shipped configurations train, the plan draws the timetable, and what cannot work
// is told before anything starts.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

// The tutorial's model made small, on made-up images.
std::vector<std::string> small(const std::string& config) {
  std::vector<std::string> arguments = {"--config", CTRAIN_SOURCE_DIR "/configs/" + config};
  const std::string images = "{type: SyntheticDataset, shape: [3, 32, 32], num_classes: 10, size: 40}";
  for (const std::string& assignment :
       {std::string("IMG_SIZE=32"), std::string("PATCH_SIZE=8"), std::string("HIDDEN_SIZE=48"),
        std::string("NUM_HEADS=4"), std::string("DEPTH=4"), std::string("BATCH_SIZE=8"), std::string("NUM_EPOCHS=2"),
        std::string("WARMUP_EPOCHS=1"), "train_data.dataset=" + images, "test_data.dataset=" + images})
    arguments.insert(arguments.end(), {"--set", assignment});
  return arguments;
}

Ended run(const Workplace& place, std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return place.run(arguments);
}

TEST_CASE("The tutorial's pipelines train as one rank does", "[pipeline]") {
  const Workplace place;
  std::vector<double> losses;
  for (const std::string config : {"vit_pipeline.yaml", "vit_1d_tp2_pp2.yaml"}) {
    const Ended ended = run(place, small(config), {"--output", config, "--quiet"});
    INFO(ended.error);
    REQUIRE(ended.exit_code == 0);
    const json summary = json::parse(place.read(config + "/summary.json"));
    CHECK(summary["steps"] == 10);
    CHECK(summary["mesh"]["pipe"] == 2);
    CHECK(summary["world_size"] == (config == "vit_pipeline.yaml" ? 2 : 4));
    CHECK(summary["bytes_sent"]["broadcast"]["pipe"].get<std::int64_t>() > 0);
    losses.push_back(summary["train"]["loss"]);
  }
  const Ended one = run(place, small("vit_pipeline.yaml"),
                        {"--output", "one", "--quiet", "--set", "parallel.pipeline=1", "--set", "TENSOR_SHAPE=null"});
  REQUIRE(one.exit_code == 0);
  const double expected = json::parse(place.read("one/summary.json"))["train"]["loss"];
  for (const double loss : losses) CHECK(loss == Approx(expected).epsilon(1e-4));
}

TEST_CASE("`ctrain plan` shows the stages, the timetable and this rank's parameters", "[pipeline][plan]") {
  const Workplace place;
  std::vector<std::string> arguments = small("vit_1d_tp2_pp2.yaml");
  arguments.insert(arguments.begin(), "plan");
  const Ended text = run(place, arguments, {"--rank", "2", "--trace", "trace.json"});
  INFO(text.error);
  REQUIRE(text.exit_code == 0);
  CHECK_THAT(text.output, Contains("Pipeline: 1f1b of 2 stages; uniform partition; 2 micro-batches a step") &&
                              Contains("rank 0  F0") && Contains("global batch  8 in 2 micro-batches\n"));
  CHECK_THAT(text.output, Contains("blocks.{2,3}") || Contains("blocks.2"));
  CHECK_THAT(text.output, !Contains("patch_embed"));  // of the other stage

  const json trace = json::parse(place.read("trace.json"));
  CHECK(trace["traceEvents"].size() > 8);

  const Ended as_json = run(place, arguments, {"--rank", "2", "--json"});
  const json plan = json::parse(as_json.output);
  CHECK(plan["mesh"] == json{{"data", 1}, {"pipe", 2}, {"tensor", 2}});
  CHECK(plan["pipeline"]["parts"].size() == 2);
  CHECK(plan["pipeline"]["parts"][1]["first_block"] == 2);
  CHECK(plan["pipeline"]["bubble"].get<double>() > 0.2);
  std::int64_t parameters = 0;
  for (const json& stage : plan["pipeline"]["stages"]) parameters += stage["parameters"].get<std::int64_t>();
  CHECK(parameters == plan["parameters"]);
  for (const json& parameter : plan["parameter_list"]) CHECK(parameter["name"] != "cls_token");
}

TEST_CASE("Pipelines that cannot work are refused before anything starts", "[pipeline]") {
  struct Bad {
    std::string more;
    std::vector<std::string> parts;
  };
  const Workplace place;
  for (const Bad& bad : std::vector<Bad>{
           {"NUM_MICRO_BATCHES: 3\nparallel: {pipeline: 2}\n", {"bad.yaml:18:20: NUM_MICRO_BATCHES: '3'", "nearest 2"}},
           {"parallel: {pipeline: 2}\n", {"bad.yaml:18:22: NUM_MICRO_BATCHES: is missing"}},
           {"NUM_MICRO_BATCHES: 2\nparallel: {pipeline: 5}\n",
            {"bad.yaml:19:22: parallel.pipeline.size: '5'", "4 blocks over 5 pipeline stages", "at most 4"}},
           {"NUM_MICRO_BATCHES: 2\nparallel: {pipeline: 2}\nNUM_CHUNKS: 3\n",
            {"bad.yaml:19:22: parallel.pipeline.size: '2'", "4 blocks over 2 pipeline stages with 3 chunks"}},
           {"NUM_MICRO_BATCHES: 1\nparallel: {pipeline: 2}\nNUM_CHUNKS: 2\n",
            {"bad.yaml:18:20: NUM_MICRO_BATCHES: '1'", "multiple of its 2 stages; nearest 2"}},
           {"NUM_MICRO_BATCHES: 2\nparallel: {pipeline: 2}\nTENSOR_SHAPE: [4, 5, 16]\n",
            {"bad.yaml:20:15: TENSOR_SHAPE: '[4, 5, 16]'", "expected [2, 5, 16]"}}}) {
    INFO(bad.more);
    std::string text = small_vit();
    text = with(text, "parallel: {tensor: {size: 4, mode: 2d}}\n", "");
    place.write("bad.yaml", with(text, "depth: 1", "depth: 4") + bad.more);
    check_refused(place, {"--config", "bad.yaml"}, bad.parts);
    check_refused(place, {"plan", "--config", "bad.yaml"}, bad.parts);
  }
}

}  // namespace
}  // namespace ctrain
