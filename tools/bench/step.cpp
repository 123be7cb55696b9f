// bench_step CONFIG [cuda | threads] [steps]: trains the configuration on one rank, on one batch that stays the same
// (and comes from the host again for every step), and prints the median rate of a step, the share of the measured
// matmul rate that its products and attention reach (FLOPs from the graph), memory as planned and as measured, and a
// table of its operations by shape. A product of 2048^3 (8192^3 on a GPU) in the step's element type is timed in the
// same process, before and after, and the better one counts; so is a copy of 256 MiB (1 GiB) within memory, read and
// written. On a GPU only after, so that what libraries take there is measured as memory of the run.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "memory/device.h"
#include "parallel/comm/local.h"
#include "runtime/console/table.h"
#include "runtime/job.h"
#include "runtime/plan_facts.h"
#include "runtime/plan_text.h"
#include "runtime/trainer.h"
#include "tools/bench/device_numbers.h"

namespace ctrain {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int traced_steps = 3, warmup_steps = 5;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Of the fastest of several runs of what `enqueue` enqueues.
double fastest(Device& device, Stream& stream, const std::function<void()>& enqueue) {
  const auto begin = device.make_timed_event(), end = device.make_timed_event();
  double best = 1e30;
  for (int i = 0; i < 12; ++i) {
    stream.record(*begin);
    enqueue();
    stream.record(*end);
    stream.synchronize();
    best = std::min(best, end->seconds_since(*begin));
  }
  return best;
}

// Operations a second of a square product.
double matmul_rate(Device& device, Backend backend, DType dtype) {
  const std::int64_t n = backend == Backend::cuda ? 8192 : 2048;
  LocalNode node;
  node.op = node.name = "matmul";
  node.inputs = {{"pq", dtype, {n, n}}, {"qr", dtype, {n, n}}};
  node.outputs = {{"pr", dtype, {n, n}}};
  for (const Name name : Names("pqr")) {
    node.extents[name] = n;
    node.segments[name] = {{{{0, n}, {}}}};
  }
  const Kernel kernel = KernelTable::instance().make(backend, node);
  const auto stream = device.make_stream();
  const Buffer a = device_numbers(device, *stream, n * n, dtype), b = device_numbers(device, *stream, n * n, dtype),
               c = device_numbers(device, *stream, n * n, dtype), workspace(device, kernel.workspace + 64);
  void* const inputs[] = {a.data(), b.data()};
  void* const outputs[] = {c.data()};
  const auto cubed = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  return 2 * cubed / fastest(device, *stream, [&] {
           kernel.run({inputs, outputs, workspace.data(), nullptr, stream->native()});
         });
}

// Bytes a second, read and written.
double copy_rate(Device& device) {
  const std::size_t bytes = std::size_t{1} << (device.is_asynchronous() ? 30 : 28);
  const Buffer from(device, bytes), to(device, bytes);
  const auto stream = device.make_stream();
  return 2 * static_cast<double>(bytes) /
         fastest(device, *stream, [&] { device.copy(to.data(), from.data(), bytes, *stream); });
}

struct Peaks {
  double flops = 0, bytes = 0;  // a second
  void measure(Device& device, Backend backend, DType dtype) {
    flops = std::max(flops, matmul_rate(device, backend, dtype));
    bytes = std::max(bytes, copy_rate(device));
  }
};

// Steps of the program that do the same at the same shapes.
struct Operation {
  std::string name;
  int count = 0;
  double seconds = 0, flops = 0, bytes = 0;  // bytes: of operands and results, each once
};

std::vector<Operation> operations(const Program& program, const std::vector<double>& seconds) {
  std::map<std::string, Operation> found;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    std::string name = "copy";
    double flops = 0, bytes = 0;
    if (const auto* local = std::get_if<LocalStep>(&program.steps[i])) {
      name = local->node.op;
      constexpr std::size_t shown = 2, most = 16;  // operands; more than these are a list's
      const std::vector<Operand>& operands = local->node.inputs;
      for (std::size_t k = 0; k < std::min(shown, operands.size()); ++k)
        name += operands[k].shape.empty() ? " 1" : fmt::format(" {}", fmt::join(operands[k].shape, "x"));
      if (operands.size() > most) name += fmt::format(" and {} more", operands.size() - shown);
      flops = local->flops;
      for (const auto* blocks : {&local->inputs, &local->outputs})
        for (const BlockId id : *blocks)
          bytes += static_cast<double>(program.blocks[static_cast<std::size_t>(id)].bytes());
    }
    Operation& operation = found[name];
    operation.name = name;
    ++operation.count;
    operation.seconds += seconds[i];
    operation.flops += flops;
    operation.bytes += bytes;
  }
  std::vector<Operation> result;
  for (auto& [name, operation] : found) result.push_back(operation);
  std::sort(result.begin(), result.end(), [](const Operation& a, const Operation& b) { return a.seconds > b.seconds; });
  return result;
}

void print_operations(const Program& program, const StepTrace& trace, const Peaks& peaks) {
  constexpr auto right = Table::Align::right;
  Table table({{"operation, shapes of its first operands"},
               {"calls", right},
               {"ms", right},
               {"of step %", right},
               {"TFLOP/s", right},
               {"of matmul %", right},
               {"GB/s", right},
               {"of copy %", right}});
  const std::vector<Operation> all = operations(program, trace.mean_seconds());
  double total = 0;
  for (const Operation& operation : all) total += operation.seconds;
  for (const Operation& operation : all) {
    const double flops = operation.flops / operation.seconds, bytes = operation.bytes / operation.seconds;
    const auto number = [](double value) { return fmt::format("{:.1f}", value); };
    table.add_row({operation.name, std::to_string(operation.count), fmt::format("{:.3f}", operation.seconds * 1e3),
                   number(100 * operation.seconds / total), flops > 0 ? fmt::format("{:.2f}", flops * 1e-12) : "",
                   flops > 0 ? number(100 * flops / peaks.flops) : "", number(bytes * 1e-9),
                   number(100 * bytes / peaks.bytes)});
  }
  fmt::print("\n{}all operations one after the other {:.2f} ms\n", table.text(), total * 1e3);
}

void run(const char* config, const std::string& device_kind, int threads, int steps) {
  const auto job = open_job(load_configuration(config));
  job->options.device = device_kind;
  run_local_ranks(1, {}, [&](Communicator& world) {
    omp_set_num_threads(threads);
    const Plan plan = make_plan(job->options, 0);
    const auto device = device_kind == "cpu" ? make_cpu_device() : DeviceKinds::instance().get(device_kind).make(0);
    Peaks peaks;
    if (!device->is_asynchronous()) peaks.measure(*device, job->options.backend(), plan.activation);
    Rank rank(plan, world);
    const auto loader = make_loader(job->train, plan.training, rank);
    const Batch& batch = loader->next();
    rank.trace({warmup_steps + steps + 1, warmup_steps + steps + traced_steps});
    std::vector<double> seconds;
    std::int64_t allocations = 0;
    for (int step = 0; step < warmup_steps + steps + traced_steps; ++step) {
      const auto begin = Clock::now();
      rank.train(batch, {step, job->learning_rate(step)}, [&] { return &batch; });
      if (step == 0) allocations = rank.device().allocations();
      if (step >= warmup_steps && step < warmup_steps + steps) seconds.push_back(seconds_since(begin));
    }
    allocations = rank.device().allocations() - allocations;
    const std::int64_t measured = rank.measured_bytes();
    peaks.measure(*device, job->options.backend(), plan.activation);
    std::nth_element(seconds.begin(), seconds.begin() + steps / 2, seconds.end());
    const double median = seconds[static_cast<std::size_t>(steps / 2)],
                 flops = logical_flops(*plan.training.graph.graph).total();
    fmt::print("{}: {} parameters, {}, {:.4g} FLOPs a step, {}, {} threads\n", config, plan.parameters(),
               precision_text(plan), flops, rank.device_text(), threads);
    fmt::print("step {:.2f} ms (median of {}), {:.1f} samples/s, {:.2f} TFLOP/s{}\n", median * 1e3, steps,
               static_cast<double>(job->options.global_batch) / median, flops / median * 1e-12,
               rank.training().is_recorded() ? ", replayed" : "");
    fmt::print("matmul {:.2f} TFLOP/s, copy {:.1f} GB/s; the step reaches {:.1f} % of the matmul\n",
               peaks.flops * 1e-12, peaks.bytes * 1e-9, 100 * flops / median / peaks.flops);
    fmt::print("memory: planned {} bytes, measured {} bytes, {:+.2f} %; allocations after step 1: {}\n",
               plan.device_bytes(), measured,
               100 * (static_cast<double>(measured) / static_cast<double>(plan.device_bytes()) - 1), allocations);
    if (!rank.training().not_recorded_because().empty())
      fmt::print("not replayed: {}\n", rank.training().not_recorded_because());
    print_operations(plan.training.compiled.program, *rank.traced(), peaks);
  });
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_step CONFIG [cuda | threads] [steps]\n");
    return 2;
  }
  const std::string where = argc > 2 ? argv[2] : "";
  const bool on_gpu = where == "cuda";
  const int threads = on_gpu || where.empty() ? omp_get_num_procs() : std::atoi(where.c_str());
  try {
    ctrain::run(argv[1], on_gpu ? "cuda" : "cpu", threads, argc > 3 ? std::atoi(argv[3]) : 10);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_step: {}\n", error.what());
    return 1;
  }
}
