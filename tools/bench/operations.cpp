// bench_operations CONFIG [cuda | threads] [runs]: runs every operation of the configuration's training program alone,
// once for each op and shapes, and prints a JSON line for it: the operands, how often it stands in a step, the
// parameter that it reads or whose gradient it writes, and the median of its milliseconds. tools/bench/kernel_table.py
// sets them beside PyTorch's.
// An operation goes round several sets of operands, so that no cache holds what it reads. Where the device records
// work, a round is recorded and replayed, as a step is: the host is not in the way.
#include <fmt/format.h>
#include <omp.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "parallel/comm/local.h"
#include "runtime/job.h"
#include "runtime/median.h"
#include "runtime/plan.h"
#include "tools/bench/device_numbers.h"

namespace ctrain {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t cache_bytes = 100 << 20, most_sets = 32;  // no chip's cache is as large
constexpr int warmup_rounds = 3;

Json json_of(const Operand& operand) {
  Json dims = Json::array();
  for (const Name name : operand.dims) dims.push_back(name.text());
  return {{"dims", dims}, {"dtype", name_of(operand.dtype)}, {"shape", operand.shape}};
}

Json json_of(const std::vector<Operand>& operands) {
  Json list = Json::array();
  for (const Operand& operand : operands) list.push_back(json_of(operand));
  return list;
}

// What makes two steps the same work: all but which random numbers they draw, and for what.
Json json_of(const LocalNode& node) {
  Json json = {{"op", node.op}, {"inputs", json_of(node.inputs)}, {"outputs", json_of(node.outputs)}};
  json["attributes"] = Json::object();
  for (const auto& item : node.attributes.items())
    if (item.first != "key")
      std::visit([&](const auto& constant) { json["attributes"][item.first] = constant; }, item.second);
  if (node.accumulate) json["accumulate"] = true;
  return json;
}

// The parameter whose weight or gradient is among the step's operands; "" where none is.
std::string parameter_of(const Program& program, const LocalStep& step) {
  for (const auto* blocks : {&step.inputs, &step.outputs})
    for (const BlockId id : *blocks)
      if (const Value* value = program.blocks[static_cast<std::size_t>(id)].value; value != nullptr) {
        if (value->kind == Value::Kind::parameter) return value->name;
        if (value->like != nullptr) return value->like->name;
      }
  return "";
}

// Memory for one run of a step. Operands that are one block, as of updates, are so here.
class OperandSet {
 public:
  OperandSet(const Program& program, const LocalStep& step, const Kernel& kernel, Device& device, Stream& stream)
      : workspace_(device, kernel.workspace + 64) {
    const auto place = [&](BlockId id) -> void* {
      const auto [it, fresh] = blocks_.try_emplace(id);
      const Operand& operand = program.blocks[static_cast<std::size_t>(id)].operand;
      if (fresh) it->second = device_numbers(device, stream, operand.elements(), operand.dtype);
      return it->second.data();
    };
    for (const BlockId id : step.inputs) inputs_.push_back(place(id));
    for (const BlockId id : step.outputs) outputs_.push_back(place(id));
  }

  void run(const Kernel& kernel, const StepState* state, const Stream& stream) const {
    kernel.run({inputs_, outputs_, workspace_.data(), state, stream.native()});
  }

  [[nodiscard]] std::int64_t bytes() const {
    std::size_t sum = workspace_.size();
    for (const auto& [id, buffer] : blocks_) sum += buffer.size();
    return static_cast<std::int64_t>(sum);
  }

 private:
  std::map<BlockId, Buffer> blocks_;
  Buffer workspace_;
  std::vector<void*> inputs_, outputs_;
};

class Bench {
 public:
  Bench(const CompiledProgram& compiled, Device& device, int runs)
      : compiled_(compiled), device_(device), stream_(device.make_stream()), state_(device, sizeof(StepState)) {
    const StepState state{.step = 10, .learning_rate = 1e-4};
    device.upload(state_.data(), &state, sizeof state, *stream_);
    stream_->synchronize();
    for (int i = 0; i < 2 * runs; ++i) events_.push_back(device.make_timed_event());
  }

  // Of the step alone: its sets of operands, and the median of its milliseconds.
  Json measure(std::size_t i) {
    const auto& step = std::get<LocalStep>(compiled_.program.steps[i]);
    const Kernel& kernel = compiled_.kernels[i];
    std::vector<OperandSet> sets;
    do {
      sets.emplace_back(compiled_.program, step, kernel, device_, *stream_);
    } while (std::ssize(sets) < std::min(most_sets, cache_bytes / std::max<std::int64_t>(sets[0].bytes(), 1)));
    const auto round = [&] {
      for (const OperandSet& set : sets) set.run(kernel, reinterpret_cast<const StepState*>(state_.data()), *stream_);
    };
    for (int k = 0; k < warmup_rounds; ++k) round();
    stream_->synchronize();
    const auto recorded = device_.record(*stream_, round);  // nothing on the CPU
    for (std::size_t k = 0; k < events_.size(); k += 2) {
      stream_->record(*events_[k]);
      recorded != nullptr ? recorded->enqueue(*stream_) : round();
      stream_->record(*events_[k + 1]);
    }
    stream_->synchronize();
    std::vector<double> seconds;
    for (std::size_t k = 0; k < events_.size(); k += 2) seconds.push_back(events_[k + 1]->seconds_since(*events_[k]));
    return {{"sets", sets.size()}, {"ms", 1e3 * median(seconds) / static_cast<double>(sets.size())}};
  }

 private:
  const CompiledProgram& compiled_;
  Device& device_;
  std::unique_ptr<Stream> stream_;
  Buffer state_;
  std::vector<std::unique_ptr<Event>> events_;  // before and after each run
};

struct Operation {
  std::size_t first = 0;  // the first step that does it
  int count = 0;
};

// In the order of their first steps.
std::vector<Operation> operations(const Program& program) {
  std::vector<Operation> result;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const auto* local = std::get_if<LocalStep>(&program.steps[i]);
    if (local == nullptr) continue;
    const auto [it, fresh] = known.try_emplace(json_of(local->node).dump(), result.size());
    if (fresh) result.push_back({i});
    ++result[it->second].count;
  }
  return result;
}

std::string_view name_of(Phase phase) {
  return phase == Phase::forward ? "forward" : phase == Phase::backward ? "backward" : "update";
}

void run(const char* config, const std::string& device_kind, int threads, int runs) {
  const auto job = open_job(load_configuration(config));
  job->options.device = device_kind;
  omp_set_num_threads(threads);
  const Plan plan = make_plan(job->options, 0);
  const Program& program = plan.training.compiled.program;
  const auto device = device_kind == "cpu" ? make_cpu_device() : DeviceKinds::instance().get(device_kind).make(0);
  Bench bench(plan.training.compiled, *device, runs);
  for (const Operation& operation : operations(program)) {
    const auto& step = std::get<LocalStep>(program.steps[operation.first]);
    Json json = json_of(step.node);
    json["phase"] = name_of(program.segment_of(operation.first).phase);
    json["parameter"] = parameter_of(program, step);
    json["count"] = operation.count;
    json["flops"] = step.flops;
    json.update(bench.measure(operation.first));
    fmt::print("{}\n", json.dump());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  const std::string where = argc > 2 ? argv[2] : "";
  const bool on_gpu = where == "cuda";
  const int threads = on_gpu || where.empty() ? omp_get_num_procs() : std::atoi(where.c_str());
  const int runs = argc > 3 ? std::atoi(argv[3]) : 20;
  if (argc < 2 || threads < 1 || runs < 1) {
    fmt::print(stderr, "usage: bench_operations CONFIG [cuda | threads] [runs]\n");
    return 2;
  }
  try {
    ctrain::run(argv[1], on_gpu ? "cuda" : "cpu", threads, runs);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_operations: {}\n", error.what());
    return 1;
  }
}
