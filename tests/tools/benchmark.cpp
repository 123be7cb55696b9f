// ctrain benchmark and ctrain check -i, as typed.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("ctrain benchmark prints a table, or one JSON object") {
  const Workplace place;
  const Ended table = place.run(
      {"benchmark", "-g", "4", "-b", "3", "-s", "2", "-d", "8", "-l", "1", "-w", "0", "-p", "1", "-m", "mlp"});
  INFO(table.error);
  CHECK(table.exit_code == 0);
  CHECK_THAT(table.output, StartsWith("# mlp of 1 layer") && Contains("gpus 4, batch_size 3, seq_len 2, dimension 8") &&
                               Contains("\n  none ") && Contains("\n  1d ") && Contains("\n  2d ") &&
                               Contains("\n  2.5d "));
  CHECK_THAT(table.error, Contains("1 of 4: none on one rank"));  // the progress
  const Ended json = place.run({"benchmark", "--gpus=2", "--batch_size=1", "--seq-len=2", "--dimension=4",
                                "--warmup_steps=0", "--profile-steps=1", "--device=cpu", "--json"});
  CHECK(json.exit_code == 0);
  CHECK(nlohmann::json::parse(json.output)["cases"].size() == 2);
  CHECK(place.entries().empty());
}

TEST_CASE("ctrain benchmark ends with 1 where a case failed, after the others' rows") {
  const Ended ended = Workplace().run({"benchmark", "--gpus", "2", "--dimension", "1073741824"});
  CHECK(ended.exit_code == 1);
  CHECK_THAT(ended.output, Contains("\n  none ") && Contains("\n  1d ") && Contains("failed: out of memory"));
}

TEST_CASE("ctrain benchmark refuses what it cannot follow") {
  const Workplace place;
  const auto refused = [&](std::vector<std::string> options, const std::vector<std::string>& parts) {
    options.insert(options.begin(), "benchmark");
    check_refused(place, options, parts);
  };
  refused({}, {"--gpus is missing", "ctrain benchmark --gpus N"});
  refused({"--gpu", "4"}, {"'--gpu'", "did you mean '--gpus'?"});
  refused({"-g", "4", "--warmup-stps=1"}, {"did you mean '--warmup-steps'?"});
  refused({"-g", "4", "--config", "x.yaml"}, {"'--config'", "unknown option of ctrain benchmark"});
  refused({"-g", "0"}, {"--gpus", "'0'", "from 1"});
  refused({"-g", "four"}, {"--gpus", "'four'"});
  refused({"-g", "4", "-l", "1001"}, {"--layers", "from 1 to 1000"});
  refused({"-g", "4", "-p", "0"}, {"--profile-steps", "'0'"});
  refused({"-g", "4", "-w", "-1"}, {"--warmup-steps", "'-1'"});
  refused({"-g", "4", "-m", "vit"}, {"--model", "'vit'", "mlp"});
  refused({"-g", "4", "--device", "cuda"}, {"'cuda'", "not built yet"});
  check_refused(place, {"benchmark", "-g", "4"}, {"RANK and WORLD_SIZE", "run it once"},
                {"env", "RANK=0", "WORLD_SIZE=4"});
}

TEST_CASE("ctrain check -i lists what build and machine have, and the cure of what they lack") {
  const Workplace place;
  const Ended ended = place.run({"check", "-i"});
  CHECK(ended.exit_code == 0);
  CHECK(ended.error.empty());
  for (const char* part :
       {"compiler", "cores", "memory", "SIMD", "oneDNN", "MPI", "gloo", "nccl", "local", "1d", "2.5d", "sequence"})
    CHECK_THAT(ended.output, Contains(part));
  if (place.run({"--version"}).output.find("devices: cpu cuda") == std::string::npos) {
    CHECK_THAT(ended.output, Contains("this build is for the CPU alone"));
  } else {
    for (const char* part : {"CUDA toolkit", "cuDNN", "NCCL", "driver", "device"})
      CHECK_THAT(ended.output, Contains(part));
  }
  CHECK_THAT(place.run({"check", "--installation"}).output, Contains("oneDNN"));
  const Ended without = place.run({"check", "-i"}, {"env", "PATH="});
  CHECK_THAT(without.output, Contains("missing  install openmpi-bin"));
  check_refused(place, {"check"}, {"-i is missing", "ctrain check -i"});
  check_refused(place, {"check", "--installatoin"}, {"did you mean '--installation'?"});
}

}  // namespace
}  // namespace ctrain
