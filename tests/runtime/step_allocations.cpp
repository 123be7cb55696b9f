// The main job's statement 5: after the first step ctrain's own code allocates nothing. What a vendor's library
// allocates within a call is counted apart: the same in every step, and none of it large.
#include <omp.h>

#include <catch2/catch.hpp>

#include "memory/allocation_counter.h"
#include "small_job.h"

namespace ctrain {
namespace {

struct Counts {
  std::vector<AllocationCount> after_step;  // as the first rank saw it while all ranks stood between steps
};

// Trains on prefetched batches. The counters are the process's: they are read where every rank has ended its step and
// none has begun the next, and what reading them takes is done outside.
Counts count_steps(const test::MeshSizes& mesh, int threads, int steps) {
  JobOptions job = test::small_job(mesh, 12, DType::f32);
  job.optimizer.kind = OptimizerOptions::Kind::adam;
  const test::SmallData data(50);
  Counts counts;
  counts.after_step.reserve(static_cast<std::size_t>(steps));
  test::run_job(job, [&](Rank& rank, Communicator& world) {
    omp_set_num_threads(threads);
    const auto loader = data.loader(rank.plan().training, job.global_batch);
    for (int step = 0; step < steps; ++step) {
      rank.train(loader->next(), {step, 0.01});
      world.barrier();
      if (world.rank() == 0) counts.after_step.push_back(allocation_count());
      world.barrier();
    }
  });
  return counts;
}

void check_steps(const test::MeshSizes& mesh, int threads) {
  const Counts counts = count_steps(mesh, threads, 12);
  constexpr std::size_t warm = 4;  // the loaders have filled their rings once
  for (std::size_t i = warm + 1; i < counts.after_step.size(); ++i) {
    const AllocationCount &before = counts.after_step[i - 1], &after = counts.after_step[i];
    const AllocationCount& first = counts.after_step[warm];
    INFO("step " << i << ": " << after.own_bytes - before.own_bytes << " own bytes, "
                 << after.vendor_bytes - before.vendor_bytes << " of vendors, the largest " << after.vendor_largest);
    CHECK(after.own_calls == before.own_calls);
    CHECK(after.vendor_calls - before.vendor_calls == counts.after_step[warm + 1].vendor_calls - first.vendor_calls);
    CHECK(after.vendor_bytes - before.vendor_bytes == counts.after_step[warm + 1].vendor_bytes - first.vendor_bytes);
  }
}

TEST_CASE("Steps of one rank with two threads allocate nothing", "[allocations]") { check_steps({}, 2); }
TEST_CASE("Steps of four 2d ranks allocate nothing", "[allocations]") { check_steps({"2d", 1, 4}, 1); }
TEST_CASE("Steps under 1d and data parallelism allocate nothing", "[allocations]") { check_steps({"1d", 2, 2}, 1); }

}  // namespace
}  // namespace ctrain
