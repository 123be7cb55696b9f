#include "runtime/benchmark_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/console/table.h"
#include "runtime/machine.h"

namespace ctrain {
namespace {

std::string counted(int number, const char* what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string header(const BenchmarkOptions& options) {
  const BenchmarkSizes& sizes = options.sizes;
  return fmt::format(
      "# mlp of {}, in turn dimension -> 4 x dimension and back, with GELU between; fp32\n"
      "# device cpu, {} for all ranks, which are threads of one process (backend local)\n"
      "# gpus {}, batch_size {}, seq_len {}, dimension {}; {} and {}\n"
      "# forward, backward: median over the profiled steps, each as slow as its slowest rank\n"
      "# memory: planned peak of one rank (parameters, gradients, activations); sent: by one rank in one step\n#\n",
      counted(sizes.layers, "layer"), counted(usable_cores(), "core"), options.ranks, sizes.batch, sizes.sequence,
      sizes.dimension, counted(options.warmup_steps, "warm-up step"), counted(options.profile_steps, "profiled step"));
}

std::string depth_text(const BenchmarkCase& configuration) {
  return configuration.mode == "2.5d" ? fmt::format("{}", configuration.tensor.depth) : "-";
}

std::string mebibytes(std::int64_t bytes) { return fmt::format("{:.3f}", static_cast<double>(bytes) / (1 << 20)); }

std::vector<std::string> row(const BenchmarkSizes& wanted, const BenchmarkResult& result) {
  const auto size = [](std::int64_t asked, std::int64_t ran) {
    return fmt::format("{}{}", ran, ran == asked ? " " : "*");
  };
  std::vector<std::string> cells = {result.configuration.mode,
                                    depth_text(result.configuration),
                                    fmt::format("{}", result.configuration.tensor.size),
                                    fmt::format("{}", result.threads),
                                    size(wanted.batch, result.sizes.batch),
                                    size(wanted.dimension, result.sizes.dimension)};
  const bool failed = result.failed();
  for (const std::string& cell :
       {fmt::format("{:.3f}", result.forward_seconds * 1e3), fmt::format("{:.3f}", result.backward_seconds * 1e3),
        mebibytes(result.peak_bytes()), mebibytes(result.bytes_sent)})
    cells.push_back(failed ? "-" : cell);
  std::string why = failed ? "failed: " + result.failure : "";
  std::replace(why.begin(), why.end(), '\n', ' ');
  cells.push_back(why);
  return cells;
}

}  // namespace

std::string benchmark_table(const BenchmarkOptions& options, const std::vector<BenchmarkResult>& results) {
  constexpr auto right = Table::Align::right;
  Table table({{"mode"},
               {"depth", right},
               {"ranks", right},
               {"threads", right},
               {"batch ", right},
               {"dimension ", right},
               {"forward (ms)", right},
               {"backward (ms)", right},
               {"memory (MiB)", right},
               {"sent (MiB)", right},
               {""}});
  for (const BenchmarkResult& result : results) table.add_row(row(options.sizes, result));
  std::string text = header(options);
  std::istringstream lines(table.text());
  int line_number = 0;
  for (std::string line; std::getline(lines, line); ++line_number)  // the titles and their rule are comments as well
    text += (line_number < 2 ? "# " : "  ") + line + "\n";
  if (std::any_of(results.begin(), results.end(), [&](const auto& result) { return result.sizes != options.sizes; }))
    text += "# * rounded up to the nearest size that the mode's splits divide\n";
  return text;
}

std::string benchmark_json(const BenchmarkOptions& options, const std::vector<BenchmarkResult>& results) {
  const BenchmarkSizes& sizes = options.sizes;
  nlohmann::ordered_json json = {{"model", "mlp"},
                                 {"device", "cpu"},
                                 {"dtype", "fp32"},
                                 {"backend", "local"},
                                 {"cores", usable_cores()},
                                 {"gpus", options.ranks},
                                 {"batch_size", sizes.batch},
                                 {"seq_len", sizes.sequence},
                                 {"dimension", sizes.dimension},
                                 {"layers", sizes.layers},
                                 {"warmup_steps", options.warmup_steps},
                                 {"profile_steps", options.profile_steps},
                                 {"cases", nlohmann::ordered_json::array()}};
  for (const BenchmarkResult& result : results) {
    nlohmann::ordered_json entry = {{"mode", result.configuration.mode},         {"depth", nullptr},
                                    {"ranks", result.configuration.tensor.size}, {"threads", result.threads},
                                    {"batch_size", result.sizes.batch},          {"seq_len", result.sizes.sequence},
                                    {"dimension", result.sizes.dimension}};
    if (result.configuration.mode == "2.5d") entry["depth"] = result.configuration.tensor.depth;
    if (!result.failed())
      entry.update({{"forward_ms", result.forward_seconds * 1e3},
                    {"backward_ms", result.backward_seconds * 1e3},
                    {"peak_memory_bytes", result.peak_bytes()},
                    {"parameter_bytes", result.parameter_bytes},
                    {"arena_bytes", result.arena_bytes},
                    {"bytes_sent", result.bytes_sent}});
    else
      entry["failure"] = result.failure;
    json["cases"].push_back(entry);
  }
  return json.dump() + "\n";
}

}  // namespace ctrain
