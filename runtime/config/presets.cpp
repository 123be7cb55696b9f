#include "runtime/config/presets.h"

#include <algorithm>
#include <array>

namespace ctrain {
namespace {

struct Preset {
  const char* name;
  std::int64_t depth, hidden_size, num_heads, max_position_embeddings;
};

// OpenAI's sizes; gpt2_exlarge is gpt2_xl with 32 heads, as Colossal-AI's documents have it.
constexpr std::array presets = {Preset{"gpt2_small", 12, 768, 12, 1024},    Preset{"gpt2_medium", 24, 1024, 16, 1024},
                                Preset{"gpt2_large", 36, 1280, 20, 1024},   Preset{"gpt2_xl", 48, 1600, 25, 1024},
                                Preset{"gpt2_exlarge", 48, 1600, 32, 1024}, Preset{"gpt3_175b", 96, 12288, 96, 2048}};

}  // namespace

std::vector<std::string> gpt2_presets() {
  std::vector<std::string> names;
  for (const Preset& preset : presets) names.emplace_back(preset.name);
  return names;
}

void apply_preset(Setting& model) {
  if (!model.has("preset")) return;
  const std::string& name = model["preset"].text();
  const auto preset = std::find_if(presets.begin(), presets.end(), [&](const Preset& one) { return one.name == name; });
  const auto fill = [&](const char* key, std::int64_t size) {
    Setting* setting = model.find(key);
    if (setting == nullptr || !setting->is_null()) return;  // given, or wrong and reported
    Setting filled = Setting::of(size);
    filled.place(setting->location(), setting->key_location());
    *setting = filled;
  };
  fill("depth", preset->depth);
  fill("hidden_size", preset->hidden_size);
  fill("num_heads", preset->num_heads);
  fill("max_position_embeddings", preset->max_position_embeddings);
}

}  // namespace ctrain
