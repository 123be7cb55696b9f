// A configuration file to a checked, complete configuration: read (yaml_reader, python_reader), add a recipe, override,
// resolve references (expressions), load user code (libraries), translate old names (colossal_names), check against the
// table (apply_schema), check across keys (run_sizes, validate), fill in what follows from other keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/run_sizes.h"
#include "runtime/config/setting.h"

namespace ctrain {

struct Configuration : RunSizes {
  // Complete: every key of the table (runtime/config/schema.h) under its main name with its value or default,
  // references replaced, no variables; components are mappings {type: ..., argument: ...}. Keys without default that
  // were not given (test_data, lr_scheduler, checkpoints) are absent; null where the table says "or null".
  Setting root;
  std::vector<std::string> warnings;  // "file:line:column: NAME: ..."
  std::string name;                   // of the file, without folder and suffix

  [[nodiscard]] int world_size() const { return data * ranks_of_replica(); }
};

// A name that ends in .py is read as a Colossal-AI style file, any other as YAML. overrides: KEY.PATH=VALUE, in order.
// world_size: the ranks that were started, where that is known. recipe: components for a file of hyper-parameters
// (recipes.h), "" for none. Throws one usage Error that tells all problems.
Configuration load_configuration(const std::filesystem::path& path, const std::vector<std::string>& overrides = {},
                                 std::optional<std::int64_t> world_size = std::nullopt, const std::string& recipe = "");

// The same of a text; `file` names it in locations.
Configuration load_configuration_text(std::string_view text, const std::string& file,
                                      const std::vector<std::string>& overrides = {},
                                      std::optional<std::int64_t> world_size = std::nullopt,
                                      const std::string& recipe = "");

// The resolved configuration as YAML; it loads back to the same tree.
std::string to_yaml(const Configuration& configuration);

}  // namespace ctrain
