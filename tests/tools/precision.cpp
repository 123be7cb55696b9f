// mixed_precision from the configuration to the run: it trains in bf16, and says so wherever it tells what runs.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

double train(const Workplace& place, const std::string& output, const std::vector<std::string>& settings) {
  std::vector<std::string> arguments = {"--config", "good.yaml", "--output", output, "--device", "cpu"};
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  const Ended ended = place.run(arguments);
  INFO(ended.error);
  REQUIRE(ended.exit_code == 0);
  return json::parse(place.read(output + "/summary.json"))["train"]["loss"].get<double>();
}

TEST_CASE("mixed_precision: bf16 trains near fp32, and is told of") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const double fp32 = train(place, "fp32", {}), bf16 = train(place, "bf16", {"mixed_precision=bf16"});
  CHECK(bf16 != fp32);
  CHECK(bf16 == Approx(fp32).epsilon(0.02));
  const std::string told = "bf16 activations; fp32 parameters";
  for (const char* file : {"log.txt", "plan.txt"}) {
    CHECK_THAT(place.read(std::string("bf16/") + file), Contains(told));
    CHECK_THAT(place.read(std::string("fp32/") + file), Contains("fp32") && !Contains("bf16"));
  }
  CHECK_THAT(place.read("bf16/config.yaml"), Contains("mixed_precision: bf16"));
  const auto arena = [&](const std::string& output) {
    return json::parse(place.read(output + "/summary.json"))["arena"]["peak"].get<std::int64_t>();
  };
  CHECK(arena("bf16") < arena("fp32"));
}

TEST_CASE("Keys for GPUs change nothing on the CPU") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const double plain = train(place, "plain", {});
  CHECK(train(place, "keys", {"cuda_graph=false", "allow_tf32=true", "train_data.dataloader.pin_memory=true"}) ==
        plain);
  CHECK_THAT(place.read("keys/plan.txt"), !Contains("TF32"));
}

}  // namespace
}  // namespace ctrain
