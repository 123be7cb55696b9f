// Ranks that mpirun starts: the same run, and one message where the command line is wrong.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"
#include "tests/support/gloo_ranks.h"

namespace ctrain {
namespace {

// Open MPI's own memory is never freed: under the address sanitizer, which a rank may run with, that is no news.
const std::vector<std::string> mpirun = {"mpirun",    "-np",  "4",  "--oversubscribe",
                                         "--bind-to", "none", "-x", "ASAN_OPTIONS=detect_leaks=0"};

TEST_CASE("Under mpirun a mistake is told once, by rank 0", "[mpi]") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  check_refused(place, {"--config", "good.yaml", "--steps", "x"}, {"--steps"}, mpirun);
  check_refused(place, {"--config", "good.yaml", "--set", "model.depth=x"}, {"model.depth: 'x'"}, mpirun);
  check_refused(place, {"--config", "good.yaml", "--set", "parallel.tensor.size=9"}, {"number of ranks, 4"}, mpirun);
  check_refused(place, {"--config", "good.yaml", "--ranks", "2"}, {"--ranks 2: expected 4"}, mpirun);
  check_refused(place, {"--config", "good.yaml", "--backend", "local"}, {"--backend local", "mpirun"}, mpirun);
}

// One of four ranks, as far as its environment says; under the address sanitizer, Open MPI's leaks are no news.
std::vector<std::string> environment(std::vector<std::string> variables) {
  variables.insert(variables.begin(), {"env", "ASAN_OPTIONS=detect_leaks=0"});
  return variables;
}

// A step of Slurm that was started without --mpi=pmix.
std::vector<std::string> srun(int port) {
  return environment({"SLURM_STEP_ID=0", "SLURM_PROCID=0", "SLURM_NPROCS=4", "SLURM_JOB_ID=7",
                      "SLURM_STEP_NODELIST=localhost", fmt::format("MASTER_PORT={}", port)});
}

TEST_CASE("A launcher that says four ranks where MPI knows one is refused before anything is written") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  check_refused(place, {"--config", "good.yaml"}, {"4 ranks", "MPI says 1", "srun --mpi=pmix"},
                environment({"OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_RANK=0"}));
  check_refused(place, {"--config", "good.yaml", "--backend", "mpi"},
                {"--backend mpi", "srun says that there are 4 ranks", "srun --mpi=pmix"}, srun(free_port()));
}

TEST_CASE("A rank of srun without PMIx looks for the others, and tells who does not come") {
  if (lacks_gloo()) return;
  const Workplace place;
  place.write("good.yaml", small_vit());
  const auto before = place.entries();
  const Ended ended = place.run({"--config", "good.yaml", "--timeout", "1"}, srun(free_port()));
  INFO(ended.error);
  CHECK(ended.exit_code == 1);
  CHECK_THAT(ended.error,
             Catch::Contains("rendezvous at localhost") && Catch::Contains("waited 1 s in vain for ranks 1, 2, 3"));
  CHECK(place.entries() == before);
}

TEST_CASE("Under mpirun a folder that holds a run, or cannot be made, is refused by rank 0", "[mpi]") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  place.write("run/config.yaml", "");
  check_refused(place, {"--config", "good.yaml", "--output", "run"}, {"already holds a run"}, mpirun);
  check_refused(place, {"--config", "good.yaml", "--output", "good.yaml/run"}, {"cannot make the run folder"}, mpirun);
}

// Four processes that a shell starts, each with its number in $rank, and rank 0's exit code.
std::vector<std::string> four_processes(const std::string& each) {
  return {"sh", "-c", "for rank in 3 2 1; do " + each + " & done; rank=0; " + each + "; code=$?; wait; exit $code"};
}

struct Start {
  std::string name;
  std::vector<std::string> before, behind;  // ctrain
};

TEST_CASE("Processes train what ranks in one process train, whoever starts them", "[mpi]") {
  const Workplace place;
  place.write("good.yaml", with(small_vit(), "BATCH_SIZE", "checkpoints: {every: 2}\nBATCH_SIZE"));
  const auto train = [&](const Start& start) {
    std::vector<std::string> arguments = start.behind;
    arguments.insert(arguments.end(), {"--config", "good.yaml", "--output", start.name, "--device", "cpu"});
    const Ended ended = place.run(arguments, start.before);
    INFO(start.name << "\n" << ended.error);
    REQUIRE(ended.exit_code == 0);
    std::string losses;
    std::istringstream lines(place.read(start.name + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) losses += nlohmann::json::parse(line)["loss"].dump() + "\n";
    return losses + place.read(start.name + "/checkpoints/step_2/model.safetensors");
  };
  std::vector<Start> starts = {{"mpirun", mpirun, {}}};
  if (!lacks_gloo()) {
    starts.push_back({"run", {}, {"run", "--nproc_per_node", "4", "--"}});
    starts.push_back({"options",
                      four_processes(fmt::format(R"("$0" "$@" --rank $rank --world_size 4 --host localhost --port {})",
                                                 free_port())),
                      {}});
    starts.push_back({"variables",
                      four_processes(fmt::format("env RANK=$rank LOCAL_RANK=$rank WORLD_SIZE=4 LOCAL_WORLD_SIZE=4 "
                                                 "MASTER_ADDR=127.0.0.1 MASTER_PORT={} \"$0\" \"$@\"",
                                                 free_port())),
                      {}});
  }
  const std::string together = train({"together", {}, {}});
  for (const Start& start : starts) {
    INFO(start.name);
    CHECK(train(start) == together);
  }
}

}  // namespace
}  // namespace ctrain
