// The names of Colossal-AI's first configurations, turned into those of the table (schema.h):
//   - a component that is named after a tensor mode (CrossEntropyLoss2D, Accuracy2p5DHook) is the same in every mode
//   - VisionTransformerFromConfig with its parts (embedding_cfg, block_cfg, ...) is `vit`
//   - LRSchedulerHook's lr_scheduler_cfg is the lr_scheduler
#pragma once

#include <string>
#include <vector>

#include "runtime/config/setting.h"

namespace ctrain {

// For a tree whose references have been replaced. Where two old places say different things about one value, that is a
// problem, unless one of them is from the command line.
void translate_colossal_names(Setting& root, Problems& problems, std::vector<std::string>& warnings);

}  // namespace ctrain
