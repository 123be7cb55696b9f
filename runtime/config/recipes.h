// The components of Colossal-AI's tutorials, for configurations that hold nothing but their hyper-parameters.
#pragma once

#include <string>
#include <vector>

#include "runtime/config/setting.h"

namespace ctrain {

// Adds what the configuration does not say itself: components made from names such as HIDDEN_SIZE, and the tutorial's
// values of names that are missing. Throws a usage Error for a recipe that is unknown.
void add_recipe(Setting& root, const std::string& recipe, std::vector<std::string>& warnings);

// Whether none of the components is there that every configuration needs.
bool has_hyper_parameters_only(const Setting& root);

inline constexpr const char* recipe_names = "vit_cifar10|gpt2";

}  // namespace ctrain
