// The main job's statement 5: after the first step ctrain's own code allocates nothing. What a vendor's library
// allocates within a call is counted apart: the same in every step, and none of it large.
#include <omp.h>

#include <catch2/catch.hpp>

#include "memory/allocation_counter.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

// The counters after each step, as the first rank saw them. They are the process's: they are read where every rank has
// ended its step and none has begun the next. A step is one of training and one of evaluation, on prefetched batches.
std::vector<AllocationCount> count_steps(const test::MeshCase& mesh, int threads, std::size_t steps) {
  JobOptions job = test::small_job(mesh, 12, DType::f32);
  job.optimizer.kind = OptimizerOptions::Kind::adam;
  const test::SmallData data(50);
  std::vector<AllocationCount> counts(steps);
  test::run_job(job, [&](Rank& rank, Communicator& world) {
    omp_set_num_threads(threads);
    const auto training = data.loader(rank.plan().training, job.global_batch);
    const auto evaluation = data.loader(*rank.plan().evaluation, job.global_batch);
    for (std::size_t step = 0; step < steps; ++step) {
      rank.train(training->next(), {static_cast<std::int64_t>(step), 0.01}, [&] { return training->peek(); });
      rank.evaluate(evaluation->next(), [&] { return evaluation->peek(); });
      world.barrier();
      if (world.rank() == 0) counts[step] = allocation_count();
      world.barrier();
    }
  });
  return counts;
}

void check_steps(const test::MeshCase& mesh, int threads) {
  const std::vector<AllocationCount> counts = count_steps(mesh, threads, 12);
  const auto vendor_calls = [&](std::size_t step) { return counts[step].vendor_calls - counts[step - 1].vendor_calls; };
  const auto vendor_bytes = [&](std::size_t step) { return counts[step].vendor_bytes - counts[step - 1].vendor_bytes; };
  constexpr std::size_t first = 4;  // the loaders have filled their rings once
  CHECK(vendor_calls(first) > 0);   // otherwise this would be about the reference kernels
  for (std::size_t step = first; step < counts.size(); ++step) {
    INFO("step " << step << ": " << vendor_calls(step) << " calls for " << vendor_bytes(step) << " bytes of vendors");
    CHECK(counts[step].own_bytes == counts[step - 1].own_bytes);
    CHECK(counts[step].own_calls == counts[step - 1].own_calls);
    CHECK(vendor_calls(step) == vendor_calls(first));
    CHECK(vendor_bytes(step) == vendor_bytes(first));
    CHECK(counts[step].vendor_largest <= 1024);
  }
}

TEST_CASE("Steps of one rank with two threads allocate nothing", "[allocations]") { check_steps({}, 2); }
TEST_CASE("Steps of four 2d ranks allocate nothing", "[allocations]") { check_steps({"2d", 1, 4}, 1); }
TEST_CASE("Steps under 1d and data parallelism allocate nothing", "[allocations]") { check_steps({"1d", 2, 2}, 1); }

}  // namespace
}  // namespace ctrain
