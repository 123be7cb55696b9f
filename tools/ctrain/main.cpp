// ctrain: trains what a configuration file describes. This file finds the command and tells errors.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "memory/error.h"
#include "runtime/config/nearest.h"
#include "runtime/launch.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"
#include "tools/ctrain/version.h"

namespace ctrain {
namespace {

constexpr const char* help = R"(ctrain trains neural networks over many ranks, from one configuration file.

  ctrain --config FILE [options]               train
  ctrain eval --config FILE --checkpoint PATH  evaluate on the test data
  ctrain generate --checkpoint PATH            continue a text
  ctrain config --config FILE                  print the resolved configuration
  ctrain plan --config FILE --world_size N     what a rank would hold and send
  ctrain run --nproc_per_node N -- --config FILE   train in N processes
  ctrain benchmark --gpus N                    time the tensor-parallel modes
  ctrain tokenizer train|encode|decode         make a tokenizer, and use one
  ctrain check -i                              what this build and machine have

FILE is YAML, or a .py file in Colossal-AI's style (read, not run).

Options of training (`ctrain COMMAND --help` has all, with examples):
  --set KEY.PATH=VALUE   override a key of the configuration, repeatable
  --recipe NAME          components for a FILE with hyper-parameters only
  --output DIR           run folder (default: runs/<name of FILE>)
  --resume PATH|auto     continue from a checkpoint
  --overwrite            replace a run that the folder already holds
  --steps N              stop after N optimizer steps in all; 0 only plans
  --ranks N              ranks in this process (default: what FILE needs)
  ctrain --version       version, commit, backends (--help: this text)
Example: ctrain --config configs/vit_2d.yaml --output runs/first
)";

constexpr const char* tokenizer_help =
    R"(ctrain tokenizer makes and uses byte-level BPE tokenizers, in the files of GPT-2's.

  ctrain tokenizer train --input FILES --vocab_size N --output DIR
  ctrain tokenizer encode --tokenizer PATH --text TEXT    (or --input FILE)
  ctrain tokenizer decode --tokenizer PATH --input FILE

Each of them has its own --help.
)";

using Command = int (*)(const Options&);

Command find_command(const std::string& name) {
  static const std::map<std::string, Command> built = {{"train", train},
                                                       {"eval", evaluate},
                                                       {"generate", generate_text},
                                                       {"config", print_configuration},
                                                       {"plan", print_plan},
                                                       {"run", run_on_hosts},
                                                       {"benchmark", benchmark},
                                                       {"check", check_installation},
                                                       {"tokenizer train", train_tokenizer},
                                                       {"tokenizer encode", encode_text},
                                                       {"tokenizer decode", decode_tokens}};
  const auto found = built.find(name);
  if (found != built.end()) return found->second;
  std::vector<std::string> known = {"checkpoint", "replay"};
  if (std::find(known.begin(), known.end(), name) != known.end())
    throw usage_error("the command '{}' is not built yet in this version", name);
  for (const auto& [command, function] : built) known.push_back(command);
  const std::string near = nearest(name, known);
  throw usage_error("'{}': unknown command; {}", name,
                    near.empty() ? "expected train, eval, generate, config, plan, run, benchmark, check or tokenizer "
                                   "train|encode|decode"
                                 : "did you mean '" + near + "'?");
}

// The rank of this process where something says that it is one of several, else 0.
int process_rank(const LaunchOptions& options) {
  try {
    const auto launcher = detect_launcher(options);
    return launcher ? launcher->rank : 0;
  } catch (const Error&) {  // what is said cannot be followed, which is about to be told
    return 0;
  }
}

// Says which rank this process is as soon as it knows.
int run(std::vector<std::string> arguments, int& rank) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "--help" || first == "-h") {
    print(help);
    return 0;
  }
  if (first == "--version") {
    print(version_text());
    return 0;
  }
  std::string name = "train";
  if (!first.empty() && first.front() != '-') {
    name = first;
    arguments.erase(arguments.begin());
  }
  if (name == "tokenizer") {  // it has commands of its own
    if (arguments.empty()) throw usage_error("expected ctrain tokenizer train, encode or decode");
    if (arguments.front() == "--help" || arguments.front() == "-h") {
      print(tokenizer_help);
      return 0;
    }
    name += " " + arguments.front();
    arguments.erase(arguments.begin());
  }
  const Command command = find_command(name);
  const Options options = parse_options(name, arguments);
  if (!options.help.empty()) {
    print(options.help);
    return 0;
  }
  rank = process_rank(options.launch);
  return command(options);
}

// What a user can mend every rank finds alike, and rank 0 tells it: the launcher then ends the others, which therefore
// wait a while. One that is still there has found what rank 0 has not (say, data that only its host lacks).
void tell(std::string_view message, int rank, bool is_same_on_every_rank) {
  if (rank != 0 && is_same_on_every_rank) std::this_thread::sleep_for(std::chrono::seconds(5));
  const std::string name = fmt::format("rank {}: ", rank);
  fmt::print(stderr, "ctrain: error: {}{}\n", rank == 0 || message.starts_with(name) ? "" : name, message);
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  int rank = ctrain::process_rank({});
  try {
    return ctrain::run({argv + 1, argv + argc}, rank);
  } catch (const ctrain::Error& error) {
    ctrain::tell(error.what(), rank, error.kind() == ctrain::ErrorKind::usage);
    return error.exit_code();
  } catch (const std::exception& error) {
    ctrain::tell(error.what(), rank, false);
    return 1;
  }
}
