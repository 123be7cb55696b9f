// Runs that are told to stop, and ranks that die: a complete checkpoint and exit code 75, or the end of the whole job.
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <regex>
#include <sstream>

#include "fake_ssh.h"
#include "tests/support/gloo_ranks.h"

namespace ctrain {
namespace {

// Shell that starts ctrain (with what stands before it), waits until steps were done, acts, and exits as ctrain does;
// 99 where it is still there 10 s later. `act` and `afterwards` find its process in $pid.
std::vector<std::string> once_training(const std::string& before, const std::string& act,
                                       const std::string& afterwards = "") {
  return {"sh", "-c",
          before +
              " \"$0\" \"$@\" & pid=$!\n"
              "for i in $(seq 600); do [ -s run/metrics.jsonl ] && break; kill -0 $pid || break; sleep 0.1; done\n" +
              act +
              "\nfor i in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done\n"
              "kill -0 $pid 2>/dev/null && kill -9 $pid && exit 99\n"
              "wait $pid; code=$?\n" +
              afterwards + "\nexit $code"};
}

const std::vector<std::string> long_run = {"--config", "job.yaml", "--output", "run",
                                           "--device", "cpu",      "--set",    "NUM_EPOCHS=100000"};

// The run stopped with a complete checkpoint.
void check_stopped(const Workplace& place, const Ended& ended) {
  INFO(ended.error);
  REQUIRE(ended.exit_code == 75);
  std::vector<std::string> on = long_run;
  on.insert(on.end(), {"--resume", "auto", "--steps", "1"});
  const Ended resumed = place.run(on);
  INFO(resumed.error);
  CHECK(resumed.exit_code == 0);
  CHECK(resumed.error.find("resuming at step") != std::string::npos);
}

TEST_CASE("A signal stops a run with a complete checkpoint, and a resume goes on", "[signal]") {
  const std::string signal = GENERATE("TERM", "INT", "USR1");
  const Workplace place;
  place.write("job.yaml", small_vit());
  check_stopped(place, place.run(long_run, once_training("", "kill -" + signal + " $pid")));
}

TEST_CASE("ctrain run passes a signal on to every rank, on every host", "[signal]") {
  if (lacks_gloo()) return;
  const Workplace place;
  place.write("job.yaml", small_vit());
  std::vector<std::string> arguments = {"run",
                                        "--host",
                                        "localhost,node1",
                                        "--nproc_per_node",
                                        "2",
                                        "--master_addr",
                                        "0.0.0.0",
                                        "--master_port",
                                        fmt::format("{}", free_port()),
                                        "--"};
  arguments.insert(arguments.end(), long_run.begin(), long_run.end());
  check_stopped(place, place.run(arguments, once_training(fmt::format("{}", fmt::join(with_fake_ssh(place), " ")),
                                                          "kill -TERM $pid")));
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

// What starts ranks as processes, and the variable that tells a rank in its environment.
struct Starter {
  std::string before;               // ctrain
  std::vector<std::string> behind;  // it
  std::string variable;
};

const Starter mpirun = {"mpirun -np 4 --oversubscribe --bind-to none", {}, "OMPI_COMM_WORLD_RANK"};
const Starter ctrain_run = {"", {"run", "--nproc_per_node", "4", "--"}, "RANK"};

// A process of $ranks, by its number.
std::string kill_rank(const Starter& starter, const std::string& signal, int rank) {
  return fmt::format("for p in $ranks; do grep -qzx '{}={}' /proc/$p/environ && kill -{} $p; done", starter.variable,
                     rank, signal);
}

// All ranks on one axis, so that each waits for each. Exit code 98 where a rank is there after the end.
Ended run_with(const Workplace& place, const Starter& starter, const std::string& act) {
  place.write("job.yaml", with(small_vit(), "mode: 2d", "mode: 1d"));
  std::vector<std::string> arguments = starter.behind;
  arguments.insert(arguments.end(), long_run.begin(), long_run.end());
  arguments.insert(arguments.end(), {"--timeout", "3"});
  return place.run(
      arguments,
      once_training(starter.before, "ranks=$(ps -o pid= --ppid $pid)\n" + act,
                    "is_left() { for p in $ranks; do ps -o stat= -p $p | grep -qv Z && return 0; done; return 1; }\n"
                    "for i in $(seq 30); do is_left || break; sleep 0.1; done\n"
                    "is_left && exit 98"));
}

std::string standing(const std::string& rank) {
  return "rank " + rank + ": [a-z_]+ of [0-9]+ [a-z0-9]+( .(sum|max).)?, number [0-9]+ over '(tensor|world)': ";
}

// A regular expression that some line must match.
void check_line(const std::string& text, const std::string& expression) {
  INFO(expression);
  std::istringstream lines(text);
  bool is_there = false;
  for (std::string line; std::getline(lines, line);) is_there |= std::regex_match(line, std::regex(expression));
  CHECK(is_there);
}

TEST_CASE("A process that stands still is missed by name, first by a warning", "[mpi][signal]") {
  const auto [starter, stopped] = GENERATE(std::pair(mpirun, 2), std::pair(ctrain_run, 0));
  if (starter.before.empty() && lacks_gloo()) return;
  const Workplace place;
  const Ended ended = run_with(place, starter, kill_rank(starter, "STOP", stopped));
  INFO(starter.variable << "\n" << ended.error);
  CHECK(ended.exit_code == 1);
  const std::string missing = fmt::format("for ranks? [0-9, ]*{}.*", stopped);
  check_line(ended.error, "warning: " + standing("[0-3]") + "has waited 1.5 s " + missing);
  for (int rank = 0; rank < 4; ++rank)
    if (rank != stopped)
      check_line(ended.error, ".*" + standing(fmt::format("{}", rank)) + ".*waited 3 s in vain " + missing);
}

TEST_CASE("ctrain run: a rank that is killed ends the others at once, with their messages", "[signal]") {
  if (lacks_gloo()) return;
  const Workplace place;
  const int killed = GENERATE(0, 2);
  const Ended ended = run_with(place, ctrain_run, kill_rank(ctrain_run, "KILL", killed));
  INFO(ended.error);
  CHECK(ended.exit_code == 128 + 9);
  CHECK_THAT(ended.error, Catch::Contains(fmt::format("ctrain run: rank {} was ended by signal 9", killed)));
  for (int rank = 0; rank < 4; ++rank)
    if (rank != killed)
      check_line(ended.error,
                 "ctrain: error: " + standing(fmt::format("{}", rank)) + fmt::format(".*rank {} died", killed));
}

TEST_CASE("Where ctrain run itself is killed, no rank stays", "[signal]") {
  if (lacks_gloo()) return;
  const Workplace place;
  CHECK(run_with(place, ctrain_run, "kill -9 $pid").exit_code == 128 + 9);
}

}  // namespace
}  // namespace ctrain
