// bench_step CONFIG [threads] [steps]: trains the configuration on one rank and prints the median rate of a step, and
// the share of the oneDNN matmul rate at 2048^3 that its matmuls and attention reach (FLOPs from the graph). The matmul
// is timed before and after, in the same process, and the better one counts.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "memory/device.h"
#include "parallel/comm/local.h"
#include "runtime/data/loader.h"
#include "runtime/job.h"
#include "runtime/plan_facts.h"
#include "runtime/rank.h"

namespace ctrain {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double matmul_flops_per_second() {
  constexpr std::int64_t n = 2048;
  LocalNode node;
  node.op = "matmul";
  node.attributes = {{"output", std::string("pr")}};
  node.inputs = {{"pq", DType::f32, {n, n}}, {"qr", DType::f32, {n, n}}};
  node.outputs = {{"pr", DType::f32, {n, n}}};
  const Kernel kernel = KernelTable::instance().make(Backend::cpu, DType::f32, node);
  const auto device = make_cpu_device();
  const Buffer a(*device, n * n * 4), b(*device, n * n * 4), c(*device, n * n * 4),
      workspace(*device, kernel.workspace + 64);
  void* const inputs[] = {a.data(), b.data()};
  void* const outputs[] = {c.data()};
  double best = 1e30;
  for (int i = 0; i < 8; ++i) {
    const auto begin = Clock::now();
    kernel.run({inputs, outputs, workspace.data(), nullptr});
    best = std::min(best, seconds_since(begin));
  }
  return 2.0 * n * n * n / best;
}

void run(const char* config, int threads, int steps) {
  const auto job = open_job(load_configuration(config));
  run_local_ranks(1, {}, [&](Communicator& world) {
    omp_set_num_threads(threads);
    double peak = matmul_flops_per_second();
    const Plan plan = make_plan(job->options, 0);
    Rank rank(plan, world);
    Loader loader(*job->train.dataset, *job->train.pipeline, job->train.sampler, Rank::feeds(plan.training), 2);
    std::vector<double> seconds;
    for (int step = 0; step < steps + 3; ++step) {
      const auto begin = Clock::now();
      rank.train(loader.next(), {step, job->learning_rate(step)});
      if (step >= 3) seconds.push_back(seconds_since(begin));
    }
    peak = std::max(peak, matmul_flops_per_second());
    std::nth_element(seconds.begin(), seconds.begin() + steps / 2, seconds.end());
    const double median = seconds[static_cast<std::size_t>(steps / 2)],
                 flops = logical_flops(*plan.training.graph.graph).total();
    fmt::print("{}: {} parameters, {:.4g} FLOPs a step, {} threads\n", config, plan.parameters(), flops, threads);
    fmt::print("step {:.1f} ms (median of {}), {:.1f} samples/s, {:.1f} GFLOP/s\n", median * 1e3, steps,
               static_cast<double>(job->options.global_batch) / median, flops / median * 1e-9);
    fmt::print("oneDNN matmul at 2048^3: {:.1f} GFLOP/s; the step reaches {:.1f} % of it\n", peak * 1e-9,
               100 * flops / median / peak);
  });
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_step CONFIG [threads] [steps]\n");
    return 2;
  }
  const int threads = argc > 2 ? std::atoi(argv[2]) : omp_get_num_procs();
  ctrain::run(argv[1], threads, argc > 3 ? std::atoi(argv[3]) : 10);
}
