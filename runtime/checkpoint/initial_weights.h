// Weights to start from (`model: {init_from: PATH}`): a safetensors file of Hugging Face or timm, or a checkpoint's
// folder. Numbers of any float type are taken. Names may lack Hugging Face's first part "transformer."; its buffers
// (attn.bias, attn.masked_bias: the causal mask) and a stored copy of a tied head are passed over.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "parallel/program.h"

namespace ctrain {

// A usage Error that begins with `key` (where the path was given) where there is no such file, or that lists which
// parameters are missing or of another shape and which tensors are left over.
void check_initial_weights(const Program& program, const std::filesystem::path& path, const std::string& key);

// Calls `write` with the name and this rank's part of every parameter.
void load_initial_weights(
    const Program& program, const std::filesystem::path& path,
    const std::function<void(const std::string& name, const std::vector<std::byte>& part)>& write);

}  // namespace ctrain
