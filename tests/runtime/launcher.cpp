// Launchers are recognised by their environment, or said on the command line.
#include "runtime/launcher.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>

#include "error_message.h"
#include "parallel/comm/rendezvous_backend.h"
#include "runtime/launch.h"

namespace ctrain {
namespace {

using Catch::Contains;
using Environment = std::map<std::string, std::string>;

// Sets variables, after taking away what a launcher of the test itself may have left.
class WithEnvironment {
 public:
  explicit WithEnvironment(const Environment& wanted) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      const std::string name = text.substr(0, text.find('='));
      for (const char* prefix :
           {"OMPI_", "PMIX_", "SLURM_", "RANK", "WORLD_SIZE", "LOCAL_", "MASTER_", "TORCHELASTIC_"})
        if (name.starts_with(prefix)) old_[name] = text.substr(name.size() + 1);
    }
    for (const auto& [name, value] : old_) unsetenv(name.c_str());
    for (const auto& [name, value] : wanted) setenv(name.c_str(), value.c_str(), 1);
    for (const auto& [name, value] : wanted) names_.push_back(name);
  }
  ~WithEnvironment() {
    for (const std::string& name : names_) unsetenv(name.c_str());
    for (const auto& [name, value] : old_) setenv(name.c_str(), value.c_str(), 1);
  }
  WithEnvironment(const WithEnvironment&) = delete;
  WithEnvironment& operator=(const WithEnvironment&) = delete;

 private:
  Environment old_;
  std::vector<std::string> names_;
};

std::optional<LauncherEnvironment> detect(const Environment& environment, const LaunchOptions& options = {}) {
  const WithEnvironment variables(environment);
  return detect_launcher(options);
}

std::string refusal(const Environment& environment, const LaunchOptions& options = {}) {
  return usage_message([&] { detect(environment, options); });
}

TEST_CASE("Without a launcher there is none") {
  CHECK(!detect({}));
  CHECK(!detect({{"RANK", "3"}}));                                 // somebody's own variable
  CHECK(!detect({{"SLURM_PROCID", "0"}, {"SLURM_NPROCS", "4"}}));  // a batch script, not a step
}

TEST_CASE("mpirun") {
  Environment environment = {{"OMPI_COMM_WORLD_SIZE", "4"},
                             {"OMPI_COMM_WORLD_RANK", "3"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  const auto found = detect(environment).value();
  CHECK((found.launcher == "mpirun" && found.ranks == 4 && found.rank == 3 && found.local_rank == 1));
  CHECK((found.ranks_on_host == 2 && found.has_mpi && found.host.empty() && found.port == 29500));
  environment["OMPI_COMM_WORLD_LOCAL_SIZE"] = "4";
  CHECK(detect(environment)->host == "127.0.0.1");
}

TEST_CASE("torchrun's variables, also within a step of Slurm") {
  Environment environment = {
      {"RANK", "5"},        {"WORLD_SIZE", "8"},      {"LOCAL_RANK", "1"},    {"LOCAL_WORLD_SIZE", "4"},
      {"MASTER_PORT", "7"}, {"MASTER_ADDR", "node1"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "2"}};
  const auto found = detect(environment).value();
  CHECK((found.ranks == 8 && found.rank == 5 && found.local_rank == 1 && found.ranks_on_host == 4));
  CHECK((found.host == "node1" && found.port == 7 && !found.has_mpi));
  environment["TORCHELASTIC_USE_AGENT_STORE"] = "True";  // torchrun itself listens at the port
  CHECK(detect(environment)->port == 8);
  environment["RANK"] = "8";
  CHECK_THAT(refusal(environment), Contains("no rank 8 among 8"));
  environment["RANK"] = "x";
  CHECK_THAT(refusal(environment), Contains("RANK=x is not a number"));
}

TEST_CASE("srun, with PMIx and without") {
  Environment environment = {{"SLURM_STEP_ID", "2"},
                             {"SLURM_PROCID", "3"},
                             {"SLURM_NPROCS", "6"},
                             {"SLURM_LOCALID", "1"},
                             {"SLURM_JOB_ID", "1234"},
                             {"SLURM_STEP_TASKS_PER_NODE", "2(x3)"},
                             {"SLURM_STEP_NODELIST", "node[07-09]"}};
  const auto found = detect(environment).value();
  CHECK((found.launcher == "srun" && found.ranks == 6 && found.rank == 3 && found.local_rank == 1));
  CHECK((found.ranks_on_host == 2 && !found.has_mpi && found.host == "node07"));
  environment["SLURM_STEP_ID"] = "3";  // steps that run at the same time meet elsewhere
  const auto other = detect(environment).value();
  CHECK((other.port != found.port && found.port >= 12000 && other.port < 32768));
  environment["PMIX_RANK"] = "3";
  CHECK(detect(environment)->has_mpi);
}

TEST_CASE("--rank and --world_size come first, --host and --port replace what a launcher says") {
  const Environment srun = {{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_NPROCS", "2"}};
  const auto found = detect(srun, {.host = "a", .port = 5, .rank = 1, .local_rank = 0, .world_size = 3}).value();
  CHECK((found.ranks == 3 && found.rank == 1 && found.host == "a" && found.port == 5 && !found.has_mpi));
  const auto moved = detect(srun, {.host = "b", .port = 6}).value();
  CHECK((moved.ranks == 2 && moved.host == "b" && moved.port == 6));
  CHECK(detect({}, {.host = "localhost", .rank = 1, .world_size = 3})->ranks_on_host == 3);
  CHECK(detect({{"MASTER_ADDR", "c"}, {"MASTER_PORT", "9"}}, {.rank = 0, .world_size = 1})->host == "c");
  CHECK_THAT(refusal({}, {.rank = 1}), Contains("--world_size is missing"));
  CHECK_THAT(refusal({}, {.world_size = 2}), Contains("--rank is missing"));
  CHECK_THAT(refusal({}, {.rank = 2, .world_size = 2}), Contains("no rank 2 among 2"));
  CHECK_THAT(refusal({}, {.local_rank = 2}), Contains("--local_rank") && Contains("--rank and --world_size"));
}

TEST_CASE("The backend goes with the launcher") {
  using Backend = Launch::Backend;
  const LauncherEnvironment by_mpirun = {.launcher = "mpirun", .ranks = 2, .has_mpi = true};
  const LauncherEnvironment one = {.launcher = "srun", .ranks = 1};
  CHECK(make_launch("", std::nullopt).backend == Backend::local);
  CHECK(make_launch("", by_mpirun).backend == Backend::mpi);
  CHECK(make_launch("", one).backend == Backend::local);
  CHECK_THAT(usage_message([&] { static_cast<void>(make_launch("local", by_mpirun)); }), Contains("--backend local"));
  if (RendezvousBackends::instance().find("gloo") == nullptr) return;
  const LauncherEnvironment two = {.launcher = "srun", .ranks = 2, .host = "a"},
                            nowhere = {.launcher = "x", .ranks = 2};
  CHECK(make_launch("", two).backend == Backend::gloo);
  CHECK_THAT(usage_message([&] { static_cast<void>(make_launch("mpi", two)); }), Contains("srun --mpi=pmix"));
  CHECK_THAT(usage_message([&] { static_cast<void>(make_launch("", nowhere)); }), Contains("--host"));
}

}  // namespace
}  // namespace ctrain
