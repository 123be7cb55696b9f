// Runs that are told to stop, and ranks that die: a complete checkpoint and exit code 75, or the end of the whole job.
#include <catch2/catch.hpp>

#include "program.h"

namespace ctrain {
namespace {

// Shell that starts ctrain (with what stands before it), waits until steps were done, acts, and exits as ctrain does;
// 99 where it is still there 10 s later. `act` finds its process in $pid.
std::vector<std::string> once_training(const std::string& before, const std::string& act) {
  return {"sh", "-c",
          before +
              " \"$0\" \"$@\" & pid=$!\n"
              "for i in $(seq 600); do [ -s run/metrics.jsonl ] && break; sleep 0.1; done\n" +
              act +
              "\nfor i in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done\n"
              "kill -0 $pid 2>/dev/null && kill -9 $pid && exit 99\n"
              "wait $pid"};
}

const std::vector<std::string> long_run = {"--config", "job.yaml", "--output", "run",
                                           "--device", "cpu",      "--set",    "NUM_EPOCHS=100000"};

TEST_CASE("A signal stops a run with a complete checkpoint, and a resume goes on", "[signal]") {
  const std::string signal = GENERATE("TERM", "INT", "USR1");
  const Workplace place;
  place.write("job.yaml", small_vit());
  const Ended stopped = place.run(long_run, once_training("", "kill -" + signal + " $pid"));
  INFO(signal << ": " << stopped.error);
  REQUIRE(stopped.exit_code == 75);
  std::vector<std::string> on = long_run;
  on.insert(on.end(), {"--resume", "auto", "--steps", "1"});
  const Ended resumed = place.run(on);
  INFO(resumed.error);
  CHECK(resumed.exit_code == 0);
  CHECK(resumed.error.find("resuming at step") != std::string::npos);
}

TEST_CASE("A rank that is killed ends the whole mpirun job within 10 s", "[mpi][signal]") {
  const Workplace place;
  place.write("job.yaml", small_vit());
  const Ended ended = place.run(long_run, once_training("mpirun -np 4 --oversubscribe --bind-to none",
                                                        "kill -9 $(ps -o pid= --ppid $pid | tail -n 1)"));
  INFO(ended.error);
  CHECK(ended.exit_code != 0);
  CHECK(ended.exit_code != 99);
}

}  // namespace
}  // namespace ctrain
