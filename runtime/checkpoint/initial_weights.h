// Weights to start from (`model: {init_from: PATH}`): a safetensors file of Hugging Face or timm, or a checkpoint's
// folder. Numbers of any float type are taken. Names may lack Hugging Face's first part "transformer."; its buffers
// (attn.bias, attn.masked_bias: the causal mask) and a stored copy of a tied head are passed over.
#pragma once

#include <filesystem>

#include "runtime/rank.h"

namespace ctrain {

// A usage Error where there is no such file, or that lists which parameters are missing or of another shape and which
// tensors are left over.
void check_initial_weights(const Plan& plan, const std::filesystem::path& path);

// Fills this rank's parameters.
void load_initial_weights(const Rank& rank, const std::filesystem::path& path);

}  // namespace ctrain
