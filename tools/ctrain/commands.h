// The subcommands, one file each. They return the exit code.
#pragma once

#include "tools/ctrain/options.h"

namespace ctrain {

int train(const Options& options);
int evaluate(const Options& options);
int print_configuration(const Options& options);
int generate_text(const Options& options);
int print_plan(const Options& options);
int run_on_hosts(const Options& options);
int benchmark(const Options& options);
int check_installation(const Options& options);
int train_tokenizer(const Options& options);
int encode_text(const Options& options);
int decode_tokens(const Options& options);

}  // namespace ctrain
