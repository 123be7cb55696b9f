#include "runtime/data/dataset_files.h"

namespace ctrain {

bool is_file(const std::filesystem::path& path) {
  std::error_code unreadable;
  return std::filesystem::is_regular_file(path, unreadable);
}

Error missing_files(const Arguments& arguments, const std::string& root, std::string_view wanted,
                    std::string_view source) {
  std::error_code unreadable;
  const bool is_folder = std::filesystem::is_directory(root, unreadable);
  const std::string_view state = root.empty() ? "no folder is given"
                                 : is_folder  ? "files are missing in this folder"
                                              : "no such folder";
  return arguments.error("root", fmt::format("'{}': {}: expected {}; {}", root, state, wanted, source));
}

}  // namespace ctrain
