// Sizes of models by name (`model: {type: gpt2, preset: gpt2_xl}`). A size that the configuration gives itself stays.
#pragma once

#include <string>
#include <vector>

#include "runtime/config/setting.h"

namespace ctrain {

[[nodiscard]] std::vector<std::string> gpt2_presets();

// Fills in the sizes that are null, where the model has a preset.
void apply_preset(Setting& model);

}  // namespace ctrain
