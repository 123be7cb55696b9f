// `ctrain plan` tells what a run does: the same text as its plan.txt, the same numbers as its summary.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

json plan_of(const Workplace& place, const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {"plan", "--config", "good.yaml", "--json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Ended ended = place.run(arguments);
  INFO(ended.error);
  REQUIRE(ended.exit_code == 0);
  CHECK(ended.error.empty());
  return json::parse(ended.output);
}

TEST_CASE("`ctrain plan` prints plan.txt of a run", "[plan]") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const std::string mesh = GENERATE(as<std::string>(), "{tensor: {size: 4, mode: 2d}}", "{tensor: {size: 1}}",
                                    "{data: 2, tensor: {size: 2, mode: 1d}}", "{tensor: {size: 8, mode: 3d}}");
  const std::string parallel = "parallel=" + mesh;
  const Ended run = place.run(
      {"--config", "good.yaml", "--set", parallel, "--set", "BATCH_SIZE=8", "--steps", "0", "--output", "run"});
  INFO(run.error);
  REQUIRE(run.exit_code == 0);
  const Ended plan = place.run({"plan", "--config", "good.yaml", "--set", parallel, "--set", "BATCH_SIZE=8"});
  CHECK(plan.exit_code == 0);
  CHECK(plan.output == place.read("run/plan.txt"));
  // The run's own configuration, with the number of ranks given.
  const Ended again = place.run(
      {"plan", "--config", "run/config.yaml", "--world-size",
       std::to_string(
           json::parse(place.run({"plan", "--config", "run/config.yaml", "--json"}).output)["world_size"].get<int>())});
  CHECK(again.output == plan.output);
}

TEST_CASE("Bytes, memory and FLOPs of the plan are those of the run", "[plan]") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const std::string mesh = GENERATE(as<std::string>(), "{tensor: {size: 4, mode: 2d}}",
                                    "{data: 2, tensor: {size: 2, mode: 1d}}", "{tensor: {size: 2, mode: sequence}}");
  const Ended run = place.run({"--config", "good.yaml", "--set", "parallel=" + mesh, "--output", "run"});
  INFO(run.error);
  REQUIRE(run.exit_code == 0);
  const json summary = json::parse(place.read("run/summary.json"));
  const auto steps = summary["steps"].get<std::int64_t>();
  CHECK(steps > 0);

  const int ranks = summary["world_size"];
  json sent = json::object();
  for (int rank = 0; rank < ranks; ++rank) {
    const json plan = plan_of(place, {"--set", "parallel=" + mesh, "--rank", std::to_string(rank)});
    CHECK(plan["rank"] == rank);
    CHECK(plan["mesh"] == summary["mesh"]);
    CHECK(plan["parameters"] == summary["parameters"]);
    const json& memory = plan["memory"];
    CHECK(memory["total"] == summary["memory"][static_cast<std::size_t>(rank)]["device"]["measured"]);
    CHECK(memory["total"] == memory["parameters"].get<std::int64_t>() + memory["optimizer_state"].get<std::int64_t>() +
                                 memory["arena"].get<std::int64_t>());
    if (rank == 0) {
      CHECK(plan["training"]["arena"]["peak"] == summary["arena"]["peak"]);
      CHECK(plan["training"]["arena"]["lower_bound"] == summary["arena"]["lower_bound"]);
      CHECK(plan["training"]["flops"]["logical"]["total"] == summary["flops_per_step"]);
    }
    // The test data, as much as the training data, is gone through once an epoch.
    for (const char* kind : {"training", "evaluation"}) {
      std::int64_t bytes_of_kind = 0;
      for (const auto& [collective, axes] : plan[kind]["bytes_sent"].items())
        for (const auto& [axis, bytes] : axes.items()) {
          bytes_of_kind += bytes.get<std::int64_t>();
          if (bytes == 0) continue;
          json& total = sent[collective][axis];
          total = bytes.get<std::int64_t>() * steps + (total.is_null() ? 0 : total.get<std::int64_t>());
        }
      CHECK(plan[kind]["bytes_sent_total"] == bytes_of_kind);
    }
  }
  CHECK(sent == summary["bytes_sent"]);
  CHECK(!sent.empty());
}

TEST_CASE("Any rank of 4096, in every mode, without data", "[plan]") {
  const Workplace place;
  std::string text = with(small_vit(), "BATCH_SIZE: 4", "GLOBAL_BATCH_SIZE: 8192");
  text = with(text, "hidden_size: 16", "hidden_size: 1024");
  text = with(text, "num_heads: 4", "num_heads: 32");
  text = with(text, "{type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 8}",
              "{type: FashionMNISTDataset, root: nowhere}");
  place.write("good.yaml", text);
  struct Case {
    std::string tensor;
    json mesh, last;
  };
  const auto [tensor, mesh, coordinates] = GENERATE(values<Case>(
      {{"{size: 512, mode: 3d}",
        {{"data", 8}, {"output", 8}, {"input", 8}, {"weight", 8}},
        {{"data", 2}, {"output", 3}, {"input", 2}, {"weight", 2}}},
       {"{size: 1024, mode: 2.5d, depth: 4}",
        {{"data", 4}, {"depth", 4}, {"row", 16}, {"col", 16}},
        {{"data", 1}, {"depth", 0}, {"row", 13}, {"col", 2}}},
       {"{size: 1024, mode: 2d}", {{"data", 4}, {"row", 32}, {"col", 32}}, {{"data", 1}, {"row", 6}, {"col", 18}}},
       {"{size: 8, mode: 1d}", {{"data", 512}, {"tensor", 8}}, {{"data", 154}, {"tensor", 2}}},
       {"{size: 8, mode: sequence}", {{"data", 512}, {"sequence", 8}}, {{"data", 154}, {"sequence", 2}}},
       {"{size: 1}", {{"data", 4096}}, {{"data", 1234}}}}));
  const std::vector<std::string> options = {"--set", "parallel={tensor: " + tensor + "}", "--world_size", "4096"};
  const auto plan_of_rank = [&, &mesh = mesh](const std::string& rank) {
    std::vector<std::string> arguments = options;
    arguments.insert(arguments.end(), {"--rank", rank});
    const json plan = plan_of(place, arguments);
    CHECK(plan["world_size"] == 4096);
    CHECK(plan["mesh"] == mesh);
    for (const auto& [axis, size] : mesh.items()) {
      const json& group = plan["groups"][axis];
      REQUIRE(group.size() == size.get<std::size_t>());
      CHECK(group[plan["coordinates"][axis].get<std::size_t>()] == std::stoi(rank));
    }
    return plan;
  };
  const json first = plan_of_rank("0"), middle = plan_of_rank("1234"), last = plan_of_rank("4095");
  CHECK(middle["coordinates"] == coordinates);
  for (const auto& [axis, position] : last["coordinates"].items())
    CHECK(position.get<int>() == mesh[axis].get<int>() - 1);
  CHECK(first["parameter_list"] == last["parameter_list"]);
  CHECK(first["training"]["calls"] == last["training"]["calls"]);
}

TEST_CASE("What `ctrain plan` refuses", "[plan]") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const auto refused = [&](const std::vector<std::string>& options, const std::vector<std::string>& parts) {
    std::vector<std::string> arguments = {"plan", "--config", "good.yaml"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    check_refused(place, arguments, parts);
  };
  refused({"--rank", "4"}, {"--rank 4", "0 to 3"});
  refused({"--world_size", "8", "--rank", "8"}, {"--rank 8", "0 to 7"});
  refused({"--rank", "-1"}, {"--rank", "'-1'", ">= 0"});
  refused({"--world_size", "6"},
          {"good.yaml:1", "parallel.tensor.size", "a divisor of the number of ranks, 6", "4 and 8"});
  refused({"--world_size", "8", "--set", "parallel.data=1"},
          {"parallel.data", "the number of ranks, 8", "1 * 1 * 4 is 4"});
  refused({"--world_size", "0"}, {"--world-size", "'0'", ">= 1"});
  refused({"--world_size", "99999999999"}, {"number of ranks, 99999999999"});
  refused({"--steps", "1"}, {"'--steps'", "ctrain plan"});
  check_refused(place, {"plan", "--world_size", "4"}, {"--config is missing"});
}

}  // namespace
}  // namespace ctrain
