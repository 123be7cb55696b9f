// Ranks that mpirun starts: the same run, and one message where the command line is wrong.
#include <catch2/catch.hpp>

#include "program.h"

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

TEST_CASE("mpirun's ranks train what ranks in one process train", "[mpi]") {
  const Workplace place;
  place.write("good.yaml", with(small_vit(), "BATCH_SIZE", "checkpoints: {every: 2}\nBATCH_SIZE"));
  const Ended together = place.run({"--config", "good.yaml", "--output", "together", "--device", "cpu"});
  INFO(together.error);
  REQUIRE(together.exit_code == 0);
  const Ended apart = place.run({"--config", "good.yaml", "--output", "apart", "--device", "cpu"}, mpirun);
  INFO(apart.error);
  REQUIRE(apart.exit_code == 0);
  CHECK(place.read("together/checkpoints/step_2/model.safetensors") ==
        place.read("apart/checkpoints/step_2/model.safetensors"));
}

}  // namespace
}  // namespace ctrain
