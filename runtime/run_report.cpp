#include "runtime/run_report.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "runtime/console/table.h"
#include "runtime/data/feed.h"
#include "runtime/file.h"
#include "runtime/plan_facts.h"
#include "runtime/plan_text.h"

namespace ctrain {
namespace {

constexpr std::size_t text_length = 64;

// The same few numbers of every rank, in the order of ranks.
template <std::size_t count>
std::vector<std::array<double, count>> gather(Communicator& world, std::array<double, count> mine) {
  std::vector<std::array<double, count>> all(static_cast<std::size_t>(world.size()));
  world.reserve(sizeof(mine) * all.size());
  world.all_gather({mine.data(), count, DType::f64},
                   {all.data(), static_cast<std::int64_t>(count) * world.size(), DType::f64});
  return all;
}

// A short text of every rank, cut to text_length - 1 characters.
std::vector<std::string> gather(Communicator& world, const std::string& text) {
  std::array<char, text_length> mine{};
  text.copy(mine.data(), mine.size() - 1);
  std::vector<std::array<char, text_length>> all(static_cast<std::size_t>(world.size()));
  const std::int64_t words = text_length / size_of(DType::i32);
  world.reserve(sizeof(mine) * all.size());
  world.all_gather({mine.data(), words, DType::i32}, {all.data(), words * world.size(), DType::i32});
  std::vector<std::string> texts;
  for (const auto& one : all) texts.emplace_back(one.data());
  return texts;
}

std::string host_name() {
  std::array<char, text_length> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// What the loaders of one step's feeds take: every batch that is prefetched, and the one handed out.
std::int64_t planned_batches(const StepPlan& step, int prefetch_depth) {
  std::size_t lines = 0;
  for (const FeedBlock& feed : step.compiled.program.feeds) {
    const Block& block = step.compiled.program.blocks[static_cast<std::size_t>(feed.block)];
    lines += Batch::lines_of(static_cast<std::size_t>(block.bytes()));
  }
  return static_cast<std::int64_t>(lines * sizeof(Batch::CacheLine)) * (prefetch_depth + 1);
}

}  // namespace

void show_ranks(const Rank& rank, Communicator& world, int threads, const Logger& logger) {
  constexpr int most_rows = 32;
  const Plan& plan = rank.plan();
  const std::vector<std::string> hosts = gather(world, host_name()), devices = gather(world, rank.device_text());
  const auto numbers = gather<3>(
      world, {static_cast<double>(threads), static_cast<double>(plan.training.compiled.memory.parameter_bytes),
              static_cast<double>(plan.device_bytes())});
  if (world.rank() != 0) return;
  Table table({{"rank", Table::Align::right},
               {"host"},
               {"device"},
               {"cores", Table::Align::right},
               {"mesh coordinate"},
               {"parameters", Table::Align::right},
               {"device memory", Table::Align::right}});
  for (int r = 0; r < std::min(world.size(), most_rows); ++r) {
    const auto& [cores, parameters, bytes] = numbers[static_cast<std::size_t>(r)];
    table.add_row({std::to_string(r), hosts[static_cast<std::size_t>(r)], devices[static_cast<std::size_t>(r)],
                   fmt::format("{:.0f}", cores), plan.mesh.coordinate_text(r),
                   bytes_text(static_cast<std::int64_t>(parameters)), bytes_text(static_cast<std::int64_t>(bytes))});
  }
  std::string text = table.text();
  if (world.size() > most_rows) text += fmt::format("... and {} more ranks\n", world.size() - most_rows);
  const MemoryPlan& memory = plan.training.compiled.memory;
  text += fmt::format("mesh {}, global batch {}, {} parameters, {}\n", plan.mesh.text(), batch_text(plan),
                      plan.parameters(), precision_text(plan));
  text +=
      fmt::format("rank 0: parameters {}, optimizer {}, arena {} (lower bound {})", bytes_text(memory.parameter_bytes),
                  bytes_text(memory.state_bytes), bytes_text(memory.arena_bytes), bytes_text(memory.lower_bound));
  if (plan.next_batch_bytes() > 0) text += fmt::format(", next batch {}", bytes_text(plan.next_batch_bytes()));
  logger.info("{}", text);
}

void write_summary(const std::filesystem::path& path, const TrainingOutcome& outcome, const Job& job, const Rank& rank,
                   Communicator& world) {
  const Plan& plan = rank.plan();
  std::int64_t planned_host = planned_batches(plan.training, job.train.prefetch_depth);
  if (job.test != nullptr) planned_host += planned_batches(*plan.evaluation, job.test->prefetch_depth);
  const auto memory =
      gather<4>(world, {static_cast<double>(plan.device_bytes()), static_cast<double>(rank.measured_bytes()),
                        static_cast<double>(planned_host), static_cast<double>(outcome.host_bytes)});
  // Bytes sent, added over all ranks, as the communicators counted them.
  std::vector<double> sent;
  for (std::size_t axis = 0; axis < plan.mesh.axes().size(); ++axis) {
    for (std::size_t c = 0; c < collective_count; ++c)
      sent.push_back(static_cast<double>(rank.mesh().sent(static_cast<Axis>(axis), static_cast<Collective>(c))));
  }
  const auto count = static_cast<std::int64_t>(sent.size());
  world.reserve(sent.size() * sizeof(double));
  world.all_reduce({sent.data(), count, DType::f64}, {sent.data(), count, DType::f64}, Reduction::sum);
  if (world.rank() != 0) return;

  nlohmann::ordered_json json;
  json["world_size"] = world.size();
  for (const MeshAxis& axis : plan.mesh.axes()) json["mesh"][axis.name] = axis.size;
  json["parameters"] = plan.parameters();
  json["steps"] = outcome.steps;
  json["stopped_early"] = outcome.stopped_early;
  json["samples_per_second"] = outcome.median_samples_per_second;
  if (job.train.dataset->facts().form == InputForm::tokens)
    json["tokens_per_second"] = outcome.median_samples_per_second * static_cast<double>(job.options.sample.elements());
  json["flops_per_step"] = logical_flops(*plan.training.graph.graph).total();
  if (outcome.train.samples > 0) {
    json["train"]["loss"] = outcome.train.mean_loss();
    if (job.options.target.labels) json["train"]["accuracy"] = outcome.train.accuracy();
  }
  if (outcome.test.samples > 0) {
    json["test"]["loss"] = outcome.test.mean_loss();
    if (job.options.target.labels) json["test"]["accuracy"] = outcome.test.accuracy();
    if (outcome.test.bytes > 0) json["test"]["bits_per_byte"] = outcome.test.bits_per_byte();
  }
  const MemoryPlan& planned = plan.training.compiled.memory;
  json["arena"] = {{"peak", planned.arena_bytes}, {"lower_bound", planned.lower_bound}};
  const auto tier = [](double predicted, double measured) {
    return nlohmann::ordered_json{{"predicted", static_cast<std::int64_t>(predicted)},
                                  {"measured", static_cast<std::int64_t>(measured)}};
  };
  for (const auto& [device_plan, device, host_plan, host] : memory)
    json["memory"].push_back(
        {{"device", tier(device_plan, device)}, {"host", tier(host_plan, host)}, {"nvme", tier(0, 0)}});
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  json["process_peak_bytes"] = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
  json["bytes_sent"] = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < sent.size(); ++i)
    if (sent[i] > 0)
      json["bytes_sent"][std::string(name_of(static_cast<Collective>(i % collective_count)))]
          [plan.mesh.name(static_cast<Axis>(i / collective_count))] = static_cast<std::int64_t>(sent[i]);
  json["start_seconds"] = outcome.start_seconds;
  write_file(path, json.dump(2) + "\n");
}

}  // namespace ctrain
