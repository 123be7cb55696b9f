#include "runtime/checkpoint/checkpoint_folder.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "runtime/file.h"
#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;
using Steps = std::vector<std::int64_t>;

namespace {

void save(const std::filesystem::path& run_folder, std::int64_t step, const std::string& content = "weights") {
  write_file(begin_checkpoint(run_folder, step) / "model.safetensors", content);
  Manifest manifest;
  manifest.step = step;
  commit_checkpoint(run_folder, manifest);
}

// What stands in the folder, hidden things included.
std::set<std::string> names(const TemporaryFolder& run) {
  std::set<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(run.path())) {
    result.insert(entry.path().filename().string());
  }
  return result;
}

}  // namespace

TEST_CASE("A checkpoint is seen once it is committed, and not before") {
  const TemporaryFolder run;
  CHECK(complete_checkpoints(run.path()).empty());
  CHECK_FALSE(find_latest_complete(run.path()).has_value());

  const auto pending = begin_checkpoint(run.path(), 3);
  CHECK(pending == run.path() / ".step_3.tmp");
  CHECK(pending == pending_checkpoint_path(run.path(), 3));
  write_file(pending / "model.safetensors", "weights");
  CHECK(complete_checkpoints(run.path()).empty());
  Manifest manifest;
  manifest.step = 3;
  CHECK(commit_checkpoint(run.path(), manifest) == checkpoint_path(run.path(), 3));
  CHECK(names(run) == std::set<std::string>{"step_3"});
  CHECK(find_latest_complete(run.path()) == run.path() / "step_3");
  CHECK(verify_checkpoint(checkpoint_path(run.path(), 3)).step == 3);
}

TEST_CASE("The latest complete checkpoint goes by number and skips whatever is not one") {
  const TemporaryFolder run;
  for (const int step : {9, 100, 20}) save(run.path(), step);
  for (const char* name : {"step_200", "step_-1", "step_0300", "step_", "step_400x", "step_99999999999999999999"}) {
    std::filesystem::create_directory(run / name);
    if (std::string(name) != "step_200") write_file(run / name / "manifest.json", "{}");
  }
  write_file(run / "step_500", "a file");
  write_file(begin_checkpoint(run.path(), 600) / "manifest.json", "{}");  // died between manifest and rename
  CHECK(complete_checkpoints(run.path()) == Steps{9, 20, 100});
  CHECK(find_latest_complete(run.path()) == checkpoint_path(run.path(), 100));
}

TEST_CASE("A run's folder stands for its newest complete checkpoint") {
  const TemporaryFolder run;
  CHECK(named_checkpoint(run.path()) == run.path());  // about which an error is told
  for (const int step : {2, 10}) save(run / "checkpoints", step);
  CHECK(named_checkpoint(run.path()) == run / "checkpoints" / "step_10");
  CHECK(named_checkpoint(run / "checkpoints" / "step_2") == run / "checkpoints" / "step_2");
}

TEST_CASE("Beginning a checkpoint sweeps away what crashed runs left") {
  const TemporaryFolder run;
  save(run.path(), 1);
  write_file(begin_checkpoint(run.path(), 2) / "half", "written");
  std::filesystem::create_directory(run / ".step_1.old.tmp");
  const auto pending = begin_checkpoint(run.path(), 2);
  CHECK(std::filesystem::is_empty(pending));
  CHECK(names(run) == std::set<std::string>{"step_1", ".step_2.tmp"});
}

TEST_CASE("A checkpoint of the same step is replaced") {
  const TemporaryFolder run;
  save(run.path(), 5, "old");
  save(run.path(), 5, "new");
  CHECK(names(run) == std::set<std::string>{"step_5"});
  CHECK(read_file(checkpoint_path(run.path(), 5) / "model.safetensors") == "new");
  verify_checkpoint(checkpoint_path(run.path(), 5));
}

TEST_CASE("Pruning keeps the newest and the multiples of keep_every") {
  const TemporaryFolder run;
  for (int step = 0; step <= 10; ++step) save(run.path(), step);
  std::filesystem::create_directory(run / "step_1_of_mine");
  prune_checkpoints(run.path(), 3, 4);
  CHECK(complete_checkpoints(run.path()) == Steps{0, 4, 8, 9, 10});
  prune_checkpoints(run.path(), 20, 0);
  CHECK(complete_checkpoints(run.path()) == Steps{0, 4, 8, 9, 10});
  prune_checkpoints(run.path(), 1, 0);
  CHECK(names(run) == std::set<std::string>{"step_10", "step_1_of_mine"});
  CHECK(running_message([&] { prune_checkpoints(run.path(), 0, 0); }) ==
        "internal error: at least one checkpoint is kept, not 0");
}

TEST_CASE("A run folder that cannot be written is told") {
  const TemporaryFolder folder;
  write_file(folder / "run", "a file where the folder should be");
  CHECK_THAT(running_message([&] { begin_checkpoint(folder / "run", 1); }),
             Catch::Matchers::Contains("cannot make the checkpoint's folder: Not a directory"));
}
