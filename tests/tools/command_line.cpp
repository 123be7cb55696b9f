// Commands and options: what is taken, what is refused, and how.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("--help fits a screen; every command has its own") {
  const Workplace place;
  const Ended ended = place.run({"--help"});
  CHECK(ended.exit_code == 0);
  CHECK(ended.error.empty());
  std::istringstream lines(ended.output);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) CHECK(line.size() <= 80);
  CHECK(count <= 24);
  for (const char* command : {"train", "eval", "config", "plan", "run"}) {
    const Ended help = place.run({command, "--help"});
    CHECK(help.exit_code == 0);
    CHECK_THAT(help.output, Contains("--config") && Contains("Example: ctrain"));
  }
}

TEST_CASE("--version names version, commit and backends") {
  const Ended ended = Workplace().run({"--version"});
  CHECK(ended.exit_code == 0);
  CHECK_THAT(ended.output, StartsWith("ctrain ") && Contains("\ncommit: ") && Contains("\nbackends: local mpi"));
}

TEST_CASE("What is not known is refused with the nearest spelling") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  check_refused(place, {"trian"}, {"'trian'", "unknown command", "did you mean 'train'?"});
  check_refused(place, {"--confg", "good.yaml"}, {"'--confg'", "unknown option", "did you mean '--config'?"});
  check_refused(place, {"--config", "good.yaml", "--sed=1"}, {"'--sed'", "did you mean '--set'?"});
  check_refused(place, {"config", "--config", "good.yaml", "--steps", "1"}, {"'--steps'", "ctrain config"});
  check_refused(place, {"--config", "good.yaml", "eval"}, {"'eval'", "a command comes first"});
  check_refused(place, {"--config", "good.yaml", "--device", "gpu"}, {"--device", "'gpu'", "auto or cpu"});
}

TEST_CASE("Wrong values of options") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const auto refused = [&](const std::vector<std::string>& option, const std::vector<std::string>& parts) {
    std::vector<std::string> arguments = {"--config", "good.yaml"};
    arguments.insert(arguments.end(), option.begin(), option.end());
    check_refused(place, arguments, parts);
  };
  refused({"--steps", "-1"}, {"--steps", "'-1'", "expected a number of steps >= 0"});
  refused({"--steps", "3x"}, {"--steps", "'3x'"});
  refused({"--steps", "99999999999999999999"}, {"--steps"});
  refused({"--ranks", "0"}, {"--ranks", "'0'", ">= 1"});
  refused({"--threads", "many"}, {"--threads", "'many'"});
  refused({"--timeout", "nan"}, {"--timeout", "'nan'", "> 0"});
  refused({"--log_level", "loud"}, {"--log-level", "'loud'", "debug"});
  refused({"--steps"}, {"--steps", "exactly one value"});
  refused({"--config", "good.yaml"}, {"--config", "exactly one value"});
  refused({"--output", ""}, {"--output", "folder"});
  refused({"--overwrite", "--resume", "auto"}, {"--overwrite and --resume"});
  refused({"--backend", "mpi"}, {"--backend mpi", "mpirun -np"});
  refused({"--backend", "gloo"}, {"--backend gloo", "no launcher", "--rank and --world_size"});
  refused({"--rank", "0"}, {"--world_size is missing", "--rank and --world_size together"});
  refused({"--rank", "4", "--world_size", "4"}, {"no rank 4 among 4"});
  refused({"--host", "localhost"}, {"--host", "--rank and --world_size"});
  refused({"--port", "70000"}, {"--port", "'70000'", "65535"});
  refused({"--set", "model"}, {"--set", "model"});
  refused({"--set", "model.depth=zero"}, {"--set", "model.depth", "'zero'", "an integer"});
  check_refused(place, {}, {"--config is missing"});
  check_refused(place, {"eval", "--config", "good.yaml"}, {"--checkpoint is missing"});
}

TEST_CASE("What is not built yet is refused by its name") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  for (const char* command : {"checkpoint", "replay"})
    check_refused(place, {command}, {std::string("'") + command + "'", "not built yet"});
  check_refused(place, {"--config", "good.yaml", "--profile_steps", "1"}, {"--profile-steps", "not built yet"});
  check_refused(place, {"--config", "good.yaml", "--device", "cuda"}, {"'cuda'", "not built yet"});
  check_refused(place, {"--config", "good.yaml", "--backend", "nccl"}, {"'nccl'", "not built yet"});
}

TEST_CASE("What is told before the run folder stands is in its log.txt as well") {
  const Workplace place;
  place.write("good.yaml", "MY_WIDTH: 3\n" + small_vit());
  const Ended ended = place.run({"--config", "good.yaml", "--output", "run", "--steps", "0", "--quiet"});
  CHECK_THAT(ended.error, StartsWith("warning: good.yaml:1:1: MY_WIDTH"));
  CHECK_THAT(place.read("run/log.txt"), Contains(" rank 0 warning: good.yaml:1:1: MY_WIDTH"));
}

TEST_CASE("num_workers changes what is kept in memory, not what is trained") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const auto train = [&](int workers) {
    const std::string output = "workers-" + std::to_string(workers);
    const std::string number = ".dataloader.num_workers=" + std::to_string(workers);
    const Ended ended = place.run({"--config", "good.yaml", "--output", output, "--set", "checkpoints.every=2", "--set",
                                   "train_data" + number, "--set", "test_data" + number});
    INFO(ended.error);
    REQUIRE(ended.exit_code == 0);
    return output;
  };
  const std::string none = train(0), many = train(3);
  CHECK(place.read(none + "/checkpoints/step_2/model.safetensors") ==
        place.read(many + "/checkpoints/step_2/model.safetensors"));
  const auto host = [&](const std::string& output) {
    return nlohmann::json::parse(place.read(output + "/summary.json"))["memory"][0]["host"];
  };
  CHECK(host(none)["measured"] == host(none)["predicted"]);
  CHECK(host(many)["measured"] == host(many)["predicted"]);
  CHECK(host(many)["measured"].get<std::int64_t>() == 4 * host(none)["measured"].get<std::int64_t>());
}

TEST_CASE("`-` and `_` are the same, and `ctrain train` is `ctrain`") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const std::vector<std::vector<std::string>> ways = {{"--config=good.yaml", "--no_progress", "--log_level=error"},
                                                      {"train", "--config", "good.yaml", "--no-progress", "--quiet"}};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    std::vector<std::string> arguments = ways[i];
    const std::string folder = "run-" + std::to_string(i);
    arguments.insert(arguments.end(), {"--output", folder});
    const Ended ended = place.run(arguments);
    INFO(ended.error);
    CHECK(ended.exit_code == 0);
    CHECK(ended.output.empty());
    CHECK(ended.error.empty());  // both are quiet
    CHECK(place.has(folder + "/summary.json"));
  }
}

TEST_CASE("`ctrain config` prints what reads back as the same; warnings go elsewhere") {
  const Workplace place;
  place.write("good.yaml", "MY_WIDTH: 3\n" + small_vit());
  const Ended first = place.run({"config", "--config", "good.yaml", "--set", "model.depth=2"});
  CHECK(first.exit_code == 0);
  CHECK_THAT(first.output, Contains("depth: 2\n") && !Contains("MY_WIDTH"));
  CHECK_THAT(first.error, StartsWith("warning: good.yaml:1:1: MY_WIDTH"));
  place.write("resolved.yaml", first.output);
  const Ended second = place.run({"config", "--config", "resolved.yaml"});
  CHECK(second.output == first.output);
  CHECK(second.error.empty());
}

}  // namespace
}  // namespace ctrain
