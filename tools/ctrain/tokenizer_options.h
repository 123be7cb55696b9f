// The options of ctrain tokenizer train, encode and decode.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "tools/ctrain/options.h"

namespace ctrain {

void add_tokenizer_options(CLI::App& app, const std::string& command, Options& options);

// What must be given together; a usage Error where something is missing.
void check_tokenizer_options(const std::string& command, const Options& options);

}  // namespace ctrain
