// The command line of each subcommand, read into one struct. `-` and `_` are the same in every long option.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/benchmark.h"
#include "runtime/console/logger.h"
#include "runtime/generate/generate.h"
#include "runtime/host_plan.h"
#include "runtime/launcher.h"
#include "runtime/step_trace.h"

namespace ctrain {

struct PlanOptions {
  std::optional<std::int64_t> world_size;
  int rank = 0;
  bool json = false;
  std::string trace;  // the file; "": none
};

struct TokenizerOptions {
  std::vector<std::string> input;  // files; encode and decode: at most one, none for standard input
  std::int64_t vocab_size = 0;
  std::string path;                 // of the tokenizer that encodes or decodes
  std::optional<std::string> text;  // encode: instead of an input
};

struct Options {
  std::string help;  // what --help prints; where it is not empty the rest says nothing

  std::string config;
  std::vector<std::string> overrides;  // --set, in order
  std::string recipe;                  // "": none
  std::string checkpoint;              // eval

  std::string output, resume;
  bool overwrite = false;
  std::optional<std::int64_t> steps;
  std::optional<StepRange> profile;

  std::optional<int> ranks;
  int threads = 0;      // 0: not given
  std::string backend;  // "": not given
  std::string device = "auto";
  double timeout = 600;  // seconds
  LaunchOptions launch;

  HostOptions hosts;                 // run
  std::vector<std::string> program;  // run: what the ranks are to be given

  GenerateOptions generate;
  PlanOptions plan;
  BenchmarkOptions benchmark;
  bool benchmark_json = false;
  TokenizerOptions tokenizer;

  bool show_progress = true;
  LogLevel log_level = LogLevel::info;
};

// `command`: train, eval, config, plan, run, benchmark, check, or "tokenizer train" (encode, decode). Throws a usage
// Error with the nearest spelling.
Options parse_options(const std::string& command, std::vector<std::string> arguments);

}  // namespace ctrain
