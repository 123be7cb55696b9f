// CLI11's own messages are replaced where ours can say more: every value is checked by a validator that names the value
// and what was expected (option_checks.h), unknown options are looked up here.
#include "tools/ctrain/options.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <map>

#include "memory/error.h"
#include "runtime/config/nearest.h"
#include "runtime/config/recipes.h"
#include "tools/ctrain/option_checks.h"
#include "tools/ctrain/tokenizer_options.h"

namespace ctrain {
namespace {

// Long options with `-` for `_`, up to "--".
std::vector<std::string> normalised(std::vector<std::string> arguments) {
  for (std::string& argument : arguments) {
    if (argument == "--") break;
    if (!argument.starts_with("--")) continue;
    std::replace(argument.begin(),
                 argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size())), '_',
                 '-');
  }
  return arguments;
}

CLI::Validator port() { return number<int>(1, "a port from 1 to 65535", 65535); }

void add_configuration(CLI::App& app, Options& options) {
  app.add_option(
         "--config", options.config,
         "the file that says everything: YAML, or a .py file in\nColossal-AI's style\n--config configs/vit_2d.yaml")
      ->type_name("FILE")
      ->check(not_empty("the path of a YAML or .py file"));
  app.add_option("--set", options.overrides, "override a key, repeatable; the value is YAML\n--set model.depth=6")
      ->type_name("KEY.PATH=VALUE")
      ->allow_extra_args(false);
  app.add_option("--recipe", options.recipe, "components for a FILE with hyper-parameters only\n--recipe vit_cifar10")
      ->type_name("NAME")
      ->check(not_empty(std::string("the name of a recipe, ") + recipe_names));
}

void add_run(CLI::App& app, Options& options) {
  app.add_option("--output", options.output, "run folder (default: runs/<name of FILE>)\n--output runs/first")
      ->type_name("DIR")
      ->check(not_empty("the path of a folder"));
  app.add_option("--resume", options.resume,
                 "continue from a checkpoint folder, or from the\nnewest of the run folder: --resume auto")
      ->type_name("PATH|auto")
      ->check(not_empty("the path of a checkpoint folder, or auto"));
  app.add_flag("--overwrite", options.overwrite, "replace a run that the folder already holds");
  app.add_option("--steps", options.steps, "stop after N optimizer steps in all; 0 only plans\n--steps 100")
      ->type_name("N")
      ->check(number<std::int64_t>(0, "a number of steps >= 0"));
  app.add_option_function<std::string>(
         "--profile-steps", [&options](const std::string& written) { options.profile = parse_step_range(written); },
         "trace steps A to B into trace_rank_*.json of the run\nfolder, for ui.perfetto.dev: --profile-steps 10:12")
      ->type_name("A:B")
      ->check(CLI::Validator(
          [](const std::string& written) {
            return parse_step_range(written)
                       ? std::string()
                       : fmt::format("'{}': expected the first and the last step, as in 10:12", written);
          },
          ""));
}

void add_threads(CLI::App& app, Options& options) {
  app.add_option("--threads", options.threads, "CPU threads of a rank (default: cores / ranks)\n--threads 2")
      ->type_name("N")
      ->check(number<int>(1, "a number of threads >= 1"));
}

void add_device(CLI::App& app, Options& options) {
  app.add_option("--device", options.device, "auto, cpu or cuda\n--device cpu")
      ->type_name("NAME")
      ->check(one_of({"auto", "cpu", "cuda"}));
}

void add_device_of_benchmark(CLI::App& app, Options& options) {
  app.add_option("--device", options.device, "auto or cpu, which are the same here")
      ->type_name("NAME")
      ->check(one_of({"auto", "cpu"}, {"cuda"}));
}

void add_ranks(CLI::App& app, Options& options) {
  add_device(app, options);
  app.add_option("--ranks", options.ranks, "ranks in this process (default: what FILE needs)\n--ranks 4")
      ->type_name("N")
      ->check(number<int>(1, "a number of ranks >= 1"));
  add_threads(app, options);
  app.add_option("--backend", options.backend,
                 "local, mpi, gloo or nccl (default: nccl on GPUs, else\nwhat goes with the launcher)\n--backend gloo")
      ->type_name("NAME")
      ->check(one_of({"local", "mpi", "gloo", "nccl"}));
  app.add_option("--timeout", options.timeout,
                 "a collective that stands so long ends the job\n--timeout 60 (default: 600)")
      ->type_name("SECONDS")
      ->check(number<double>(std::numeric_limits<double>::min(), "a number of seconds > 0"));
}

void add_plan(CLI::App& app, Options& options) {
  app.add_option("--world-size", options.plan.world_size, "ranks in all (default: what FILE needs)\n--world_size 4096")
      ->type_name("N")
      ->check(number<std::int64_t>(1, "a number of ranks >= 1"));
  app.add_option("--rank", options.plan.rank, "whose plan it is (default: 0)\n--rank 1234")
      ->type_name("R")
      ->check(number<int>(0, "a rank >= 0"));
  app.add_flag("--json", options.plan.json, "one JSON object for scripts, with every tensor");
  app.add_option("--trace", options.plan.trace,
                 "also write the pipeline's timetable to a file that Perfetto and chrome://tracing open")
      ->type_name("FILE");
}

// Where no launcher says it.
void add_launch(CLI::App& app, LaunchOptions& launch) {
  app.add_option("--world-size", launch.world_size,
                 "ranks in all, each a process started like this one\n--world-size 8")
      ->type_name("N")
      ->check(number<int>(1, "a number of ranks >= 1"));
  app.add_option("--rank", launch.rank, "which of them this process is\n--rank 3")
      ->type_name("R")
      ->check(number<int>(0, "a rank >= 0"));
  app.add_option("--local-rank", launch.local_rank, "which of those on this host\n--local-rank 1")
      ->type_name("R")
      ->check(number<int>(0, "a rank >= 0"));
  app.add_option("--host", launch.host, "host of rank 0, where ranks meet\n--host node1")
      ->type_name("NAME")
      ->check(not_empty("the name of a host"));
  app.add_option("--port", launch.port, "port at that host (default: 29500)\n--port 29501")
      ->type_name("PORT")
      ->check(port());
}

void add_hosts(CLI::App& app, HostOptions& hosts) {
  app.add_option("--nproc-per-node", hosts.processes, "processes on each host (default: its slots)\n--nproc-per-node 4")
      ->type_name("N")
      ->check(number<int>(1, "a number of processes >= 1"));
  app.add_option("--host", hosts.list, "hosts (default: this one)\n--host a,node[01-04]")
      ->type_name("A,B")
      ->check(not_empty("names of hosts"));
  app.add_option("--hostfile", hosts.file, "a file of hosts: \"name\" or \"name slots=N\" a line\n--hostfile hosts.txt")
      ->type_name("FILE")
      ->check(not_empty("the path of a file"));
  app.add_option("--include", hosts.include, "only these of the hosts\n--include node[01-02]")
      ->type_name("A,B")
      ->check(not_empty("names of hosts"));
  app.add_option("--exclude", hosts.exclude, "all but these of the hosts\n--exclude node03")
      ->type_name("A,B")
      ->check(not_empty("names of hosts"));
  app.add_option("--num-nodes", hosts.nodes, "only the first K of the hosts\n--num-nodes 2")
      ->type_name("K")
      ->check(number<int>(1, "a number of hosts >= 1"));
  app.add_option("--master-addr", hosts.master, "where ranks meet (default: the first host)\n--master-addr node01")
      ->type_name("NAME")
      ->check(not_empty("the name of a host"));
  app.add_option("--master-port", hosts.port,
                 "port there (default: 29500; a free one on one host)\n--master-port 29501")
      ->type_name("PORT")
      ->check(port());
  app.add_option("--ssh-port", hosts.ssh_port, "port of ssh on the other hosts\n--ssh-port 2222")
      ->type_name("PORT")
      ->check(port());
  app.add_option("--agent", hosts.agent, "used by ctrain run on the other hosts")->type_name("PLACE")->group("");
}

void add_benchmark(CLI::App& app, Options& options) {
  const auto add = [&app](const std::string& names, auto& number_read, const std::string& help, auto least, auto most) {
    app.add_option(names, number_read, help)
        ->type_name("N")
        ->check(number(least, fmt::format("a number from {} to {}", least, most), most));
  };
  constexpr std::int64_t widest = 1 << 30;
  BenchmarkOptions& benchmark = options.benchmark;
  add("-g,--gpus", benchmark.ranks, "ranks; on the CPU threads of this process\n--gpus 8", 1, 65536);
  add("-b,--batch-size", benchmark.sizes.batch, "samples (default: 8)", std::int64_t{1}, widest);
  add("-s,--seq-len", benchmark.sizes.sequence, "tokens of a sample (default: 512)", std::int64_t{1}, widest);
  add("-d,--dimension", benchmark.sizes.dimension, "width of the model (default: 1024)", std::int64_t{1}, widest);
  add("-l,--layers", benchmark.sizes.layers, "linear layers (default: 2)", 1, 1000);
  add("-w,--warmup-steps", benchmark.warmup_steps, "steps before those measured (default: 10)", 0, 1 << 30);
  add("-p,--profile-steps", benchmark.profile_steps, "steps measured (default: 50)", 1, 1 << 20);
  app.add_option("-m,--model", "mlp, the only one")->type_name("NAME")->check(one_of({"mlp"}));
  add_device_of_benchmark(app, options);
  app.add_flag("--json", options.benchmark_json, "one JSON object instead of the table");
}

void add_generate(CLI::App& app, GenerateOptions& generate) {
  app.add_option("--checkpoint", generate.checkpoint,
                 "a checkpoint folder of a language model, or the\nnewest of a run folder: --checkpoint runs/tiny")
      ->type_name("PATH")
      ->check(not_empty("the path of a checkpoint folder"));
  app.add_option("--prompt", generate.prompt,
                 "the text to go on with (default: none, a new document)\n--prompt \"Once upon a time\"")
      ->type_name("TEXT");
  app.add_option("--max-tokens", generate.max_tokens, "tokens to add at most (default: 100)\n--max-tokens 200")
      ->type_name("N")
      ->check(number<std::int64_t>(0, "a number of tokens >= 0", 1 << 30));
  app.add_option("--temperature", generate.sampling.temperature,
                 "scores are divided by it; 0: always the best token\n--temperature 0.8 (default: 1)")
      ->type_name("T")
      ->check(number<double>(0, "a number >= 0", std::numeric_limits<double>::max()));
  app.add_option("--top-k", generate.sampling.top_k, "only the K best tokens (default: 0, all)\n--top-k 40")
      ->type_name("K")
      ->check(number<std::int64_t>(0, "a number of tokens >= 0"));
  app.add_option("--top-p", generate.sampling.top_p,
                 "only the best tokens with this share of the\nprobability (default: 1, all)\n--top-p 0.9")
      ->type_name("P")
      ->check(number<double>(std::numeric_limits<double>::min(), "a number in (0, 1]", 1));
  app.add_option("--seed", generate.sampling.seed, "another seed, another text (default: 0)\n--seed 1")
      ->type_name("N")
      ->check(number<std::uint64_t>(0, "an integer >= 0"));
}

// What the flags of the console decide together: an explicit level wins over --quiet, which takes the bar away anyway.
struct ConsoleFlags {
  bool quiet = false, no_progress = false;
  std::string level;

  void add(CLI::App& app) {
    app.add_flag("--quiet", quiet, "warnings and errors only");
    app.add_flag("--no-progress", no_progress, "no progress bar");
    app.add_option("--log-level", level, "error, warning, info or debug\n--log-level warning")
        ->type_name("NAME")
        ->check(one_of({"error", "warning", "info", "debug"}));
  }
  void apply(Options& options) const {
    options.show_progress = !quiet && !no_progress;
    if (quiet) options.log_level = LogLevel::warning;
    options.log_level = parse_log_level(level).value_or(options.log_level);
  }
};

// What no option took: the first of it is told.
void refuse_rest(const CLI::App& app, const std::string& command) {
  std::vector<std::string> rest = app.remaining();
  std::erase(rest, "--");
  if (rest.empty()) return;
  const std::string name = rest.front().substr(0, rest.front().find('='));
  if (!name.starts_with("-"))
    throw usage_error("'{}': unexpected argument; expected an option of ctrain {} (a command comes first)", name,
                      command);
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) known.push_back(option->get_name());
  const std::string near = nearest(name, known);
  throw usage_error("'{}': unknown option of ctrain {}; {}", name, command,
                    near.empty() ? fmt::format("expected one of {}", fmt::join(known, ", "))
                                 : fmt::format("did you mean '{}'?", near));
}

struct Text {
  const char *description, *example;
};

Text text_of(const std::string& command) {
  if (command == "eval")
    return {"Evaluates a checkpoint on the test data; prints one line of JSON.",
            "ctrain eval --config configs/vit_2d.yaml --checkpoint runs/vit_2d/checkpoints/step_100 --quiet"};
  if (command == "generate")
    return {"Continues a text as a trained language model would have it, on one rank of the CPU.",
            "ctrain generate --checkpoint runs/tiny --prompt \"Once upon a time\" --top_p 0.9"};
  if (command == "config")
    return {"Prints the resolved configuration as YAML.",
            "ctrain config --config configs/vit_2d.yaml --set NUM_EPOCHS=1"};
  if (command == "plan")
    return {"Prints what one rank of a run would compute, hold and send; needs no data and no other rank.",
            "ctrain plan --config configs/vit_2d.yaml --world_size 4096 --rank 1234 --json"};
  if (command == "run")
    return {"Starts processes on this and other hosts, and ends all where one fails.",
            "ctrain run --nproc_per_node 4 -- --config configs/vit_2d.yaml"};
  if (command == "benchmark")
    return {"Times a multi-layer perceptron under every tensor-parallel mode that N ranks admit.",
            "ctrain benchmark --gpus 8 --dimension 256 --profile_steps 10"};
  if (command == "tokenizer train")
    return {"Makes a byte-level BPE tokenizer from texts, in the files of GPT-2's.",
            "ctrain tokenizer train --input corpus.txt --vocab_size 8192 --output my_tokenizer"};
  if (command == "tokenizer encode")
    return {"Prints the token ids of a text, with blanks between them.",
            "ctrain tokenizer encode --tokenizer my_tokenizer --text 'Hello world'"};
  if (command == "tokenizer decode")
    return {"Prints the text of token ids.", "echo 15496 995 | ctrain tokenizer decode --tokenizer gpt2"};
  if (command == "check") return {"Lists what this build and this machine have.", "ctrain check -i"};
  return {
      "Trains what the configuration describes. `ctrain --config FILE` is the same.\n\n"
      "metrics.jsonl has a line for each step. Where the configuration gives peak_flops, the operations a second of\n"
      "one rank's device, it tells mfu = 3 F / (seconds * ranks * peak_flops), F = 2 M N K of each forward product,\n"
      "of causal attention the half; mfu_full_attention counts all of it, mfu_with_recompute is 4/3 of that.",
      "ctrain --config configs/vit_2d.yaml --output runs/first --overwrite --no-progress"};
}

}  // namespace

Options parse_options(const std::string& command, std::vector<std::string> arguments) {
  Options options;
  if (command == "run") {  // what follows "--" is for the ranks
    const auto end = std::find(arguments.begin(), arguments.end(), "--");
    if (end != arguments.end()) options.program.assign(end + 1, arguments.end());
    arguments.erase(end, arguments.end());
  }
  ConsoleFlags console;
  CLI::App app(text_of(command).description, "ctrain " + command);
  app.footer(fmt::format("Example: {}", text_of(command).example));
  app.set_help_flag("-h,--help", "this text");
  app.allow_extras();
  app.get_formatter()->column_width(26);
  app.get_formatter()->label("OPTIONS", "options");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);

  const bool is_tokenizer = command.starts_with("tokenizer ");
  bool check_installation = false;
  if (command == "run")
    add_hosts(app, options.hosts);
  else if (command == "benchmark")
    add_benchmark(app, options);
  else if (command == "generate")
    add_generate(app, options.generate);
  else if (command == "check")
    app.add_flag("-i,--installation", check_installation, "what is installed, and what is missing");
  else if (is_tokenizer)
    add_tokenizer_options(app, command, options);
  else
    add_configuration(app, options);
  if (command == "eval")
    app.add_option("--checkpoint", options.checkpoint,
                   "a checkpoint folder, or the newest of a run folder\n--checkpoint runs/vit_2d/checkpoints/step_100")
        ->type_name("PATH")
        ->check(not_empty("the path of a checkpoint folder"));
  if (command == "train") add_run(app, options);
  if (command == "plan") {
    add_plan(app, options);
    add_threads(app, options);
  }
  if (command == "train" || command == "eval") {
    add_ranks(app, options);
    add_launch(app, options.launch);
  }
  if (command == "train" || command == "eval" || command == "tokenizer train") console.add(app);

  std::vector<std::string> reversed = normalised(arguments);  // as CLI11 wants them
  std::reverse(reversed.begin(), reversed.end());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  } catch (const CLI::ArgumentMismatch& problem) {  // "--config: 1 required FILE missing"
    const std::string text = problem.what();
    throw usage_error("{}: expected exactly one value", text.substr(0, text.find(':')));
  } catch (const CLI::Error& problem) {
    throw usage_error("{}", problem.what());
  }
  refuse_rest(app, command);
  if (command == "benchmark" && options.benchmark.ranks == 0)
    throw usage_error("--gpus is missing; expected ctrain benchmark --gpus N");
  if (command == "check" && !check_installation) throw usage_error("-i is missing; expected ctrain check -i");
  if (command == "generate" && options.generate.checkpoint.empty())
    throw usage_error("--checkpoint is missing; expected ctrain generate --checkpoint PATH --prompt TEXT");
  console.apply(options);
  if (is_tokenizer) {
    check_tokenizer_options(command, options);
    return options;
  }
  if (command == "run" || command == "benchmark" || command == "check" || command == "generate") return options;
  if (options.config.empty()) throw usage_error("--config is missing; expected ctrain {} --config FILE", command);
  if (command == "eval" && options.checkpoint.empty())
    throw usage_error("--checkpoint is missing; expected ctrain eval --config FILE --checkpoint PATH");
  if (options.overwrite && !options.resume.empty())
    throw usage_error("--overwrite and --resume: expected one of them, not both");
  return options;
}

}  // namespace ctrain
