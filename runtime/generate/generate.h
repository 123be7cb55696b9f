// `ctrain generate`: a text goes on as a trained language model would have it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/generate/token_sampler.h"

namespace ctrain {

struct GenerateOptions {
  std::filesystem::path checkpoint;  // a folder with the model, its config.yaml and its tokenizer, or a run's folder
  std::string prompt;                // empty: the beginning of a document
  std::int64_t max_tokens = 100;
  SamplingOptions sampling;
};

// Calls `write` with the prompt and then with the bytes of each token, up to max_tokens or the end of the document.
// Sees as many of the last tokens as the model was trained on. Throws usage Errors before anything is written.
void generate(const GenerateOptions& options, const std::function<void(std::string_view)>& write);

}  // namespace ctrain
