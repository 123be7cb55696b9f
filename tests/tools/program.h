// Runs the built ctrain as a user would, in a folder of its own.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/runtime/temporary_folder.h"

namespace ctrain {

struct Ended {
  int exit_code = -1;  // 128 + the signal, where one ended it
  std::string output, error;
};

class Workplace {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

  // A file of the folder, with folders above it as needed.
  void write(const std::string& name, const std::string& content) const;
  [[nodiscard]] std::string read(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(path() / name); }
  [[nodiscard]] std::set<std::string> entries() const;  // of the folder and of all below

  // `launcher` is put before ctrain: {"mpirun", "-np", "4"}.
  [[nodiscard]] Ended run(const std::vector<std::string>& arguments, std::vector<std::string> launcher = {}) const;

 private:
  TemporaryFolder folder_;
  TemporaryFolder streams_;  // standard output and error, outside of what a test sees
};

// ctrain must refuse: exit code 2, nothing on standard output, one message of ours on standard error that has all of
// `parts`, and no file made or changed in number.
void check_refused(const Workplace& place, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& parts, const std::vector<std::string>& launcher = {});

// A configuration of a ViT on 2 x 2 ranks and synthetic images that trains two steps in no time.
std::string small_vit();

// `text` with `from`, which must be there, replaced by `to`.
std::string with(std::string text, const std::string& from, const std::string& to);

}  // namespace ctrain
