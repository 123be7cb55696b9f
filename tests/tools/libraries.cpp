// `libraries`: user code in the binary's own process.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Contains;
using Catch::StartsWith;

using Json = nlohmann::json;

std::string own_vit(const std::string& parallel) {
  return "libraries: [" OWN_PARALLEL_LIBRARY "]\n" +
         with(small_vit(), "parallel: {tensor: {size: 4, mode: 2d}}", parallel);
}

TEST_CASE("A library brings a parallel mode and a gradient handler") {
  const Workplace place;
  place.write("one.yaml", own_vit("parallel: {}"));
  place.write("column.yaml", own_vit("parallel: {tensor: {size: 4, mode: column}}"));
  const auto loss = [&](const std::string& config, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--config", config, "--output", config + ".run", "--overwrite", "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ended ended = place.run(arguments);
    INFO(ended.error);
    REQUIRE(ended.exit_code == 0);
    return Json::parse(place.read(config + ".run/summary.json")).at("test").at("loss").get<double>();
  };
  CHECK(loss("column.yaml", {}) == Approx(loss("one.yaml", {})).epsilon(1e-5));
  const std::vector<std::string> repeated = {"--set", "gradient_handler=[{type: RepeatedGradientHandler, times: 5}]"};
  CHECK(loss("column.yaml", repeated) == Approx(loss("one.yaml", repeated)).epsilon(1e-5));
  CHECK(loss("one.yaml", repeated) != loss("one.yaml", {}));
}

TEST_CASE("What a library lacks or brings wrongly is told before anything starts") {
  const Workplace place;
  place.write("column.yaml", own_vit("parallel: {tensor: {size: 5, mode: column}}"));
  check_refused(place, {"--config", "column.yaml"}, {"an even number under mode column", "nearest 4 and 6"});
  check_refused(place, {"--config", "column.yaml", "--set", "libraries=[]"}, {"'column'", "one of 1d,"});
  check_refused(place, {"--config", "column.yaml", "--set", "libraries=[libnowhere.so]"},
                {"libraries", "libnowhere.so", "cannot open"});
  check_refused(place, {"--config", "column.yaml", "--set", "gradient_handler=[{type: RepeatedGradientHandlr}]"},
                {"RepeatedGradientHandlr", "did you mean 'RepeatedGradientHandler'?"});
  check_refused(place, {"--config", "column.yaml", "--set", "gradient_handler=[MoeGradientHandler]"},
                {"MoeGradientHandler", "not built yet"});
}

}  // namespace
}  // namespace ctrain
