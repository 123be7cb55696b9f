// A small valid configuration to spoil, and what is said about it then.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "memory/error.h"
#include "runtime/config/load.h"

namespace ctrain::test {

// Lines 1 to 5; a test's own text begins at line 6. Everything divides under 1d with 2 and 2d with 4.
inline const std::string valid_text =
    R"(model: {type: vit, img_size: 32, patch_size: 4, hidden_size: 48, num_heads: 6, depth: 2, num_classes: 10}
train_data: {dataset: {type: SyntheticDataset, shape: [3, 32, 32]}}
loss: CrossEntropyLoss
optimizer: SGD
GLOBAL_BATCH_SIZE: 24
)";

inline Configuration load(const std::string& more, const std::vector<std::string>& overrides = {},
                          std::optional<std::int64_t> world_size = std::nullopt) {
  return load_configuration_text(valid_text + more, "run.yaml", overrides, world_size);
}

// The message of the usage error; "" where the configuration is accepted.
inline std::string problem(const std::string& more, const std::vector<std::string>& overrides = {},
                           std::optional<std::int64_t> world_size = std::nullopt) {
  try {
    load(more, overrides, world_size);
    return "";
  } catch (const Error& error) {
    return error.kind() == ErrorKind::usage ? error.what() : std::string("not a usage error: ") + error.what();
  }
}

}  // namespace ctrain::test
