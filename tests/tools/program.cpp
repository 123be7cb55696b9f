#include "program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

namespace ctrain {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

void Workplace::write(const std::string& name, const std::string& content) const {
  fs::create_directories((path() / name).parent_path());
  std::ofstream(path() / name, std::ios::binary) << content;
}

std::string Workplace::read(const std::string& name) const { return content_of(path() / name); }

std::set<std::string> Workplace::entries() const {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(path())) found.insert(entry.path());
  return found;
}

Ended Workplace::run(const std::vector<std::string>& arguments, std::vector<std::string> launcher) const {
  std::vector<std::string> words = std::move(launcher);
  words.emplace_back(CTRAIN_PROGRAM);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const fs::path output = streams_ / "output", error = streams_ / "error";
  constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, path().c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, error.c_str(), flags, 0600);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, argv.front(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(failure == 0);

  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {exit_code, content_of(output), content_of(error)};
}

void check_refused(const Workplace& place, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& parts, const std::vector<std::string>& launcher) {
  const std::set<std::string> before = place.entries();
  const Ended ended = place.run(arguments, launcher);
  INFO(ended.error);
  CHECK(ended.exit_code == 2);
  CHECK(ended.output.empty());
  CHECK(count(ended.error, "ctrain: error: ") == 1);
  for (const std::string& part : parts) CHECK_THAT(ended.error, Catch::Matchers::Contains(part));
  CHECK(place.entries() == before);
}

std::string small_vit() {
  return R"(parallel: {tensor: {size: 4, mode: 2d}}
BATCH_SIZE: 4
model:
  type: vit
  img_size: 8
  patch_size: 4
  in_channels: 1
  num_classes: 10
  hidden_size: 16
  depth: 1
  num_heads: 4
train_data:
  dataset: {type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 8}
test_data:
  dataset: {type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 8}
loss: CrossEntropyLoss
optimizer: {type: SGD, lr: 0.1}
hooks: [LossHook, AccuracyHook]
)";
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace ctrain
