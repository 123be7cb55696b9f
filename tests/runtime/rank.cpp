// What a rank's steps tell: the same on every mesh, whatever is padded.
#include "runtime/rank.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <mutex>

#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using test::MeshCase;
using test::SmallData;

struct Results {
  std::vector<StepResult> training, evaluation;
  bool equal_on_all_ranks = true;
};

// Training steps, then the whole data set once through the evaluation step.
Results run(const JobOptions& job, const SmallData& data, std::int64_t steps) {
  Results results;
  std::mutex mutex;
  test::run_job(job, [&](Rank& rank, Communicator&) {
    Results mine;
    BatchAssembler training = data.assembler(rank.plan().training, job.global_batch);
    Batch batch = training.make_batch();
    for (std::int64_t step = 0; step < steps; ++step) {
      const std::int64_t per_epoch = training.sampler().steps_per_epoch();
      training.fill(batch, step / per_epoch, step % per_epoch);
      mine.training.push_back(rank.train(batch, {step, 0.05}));
    }
    BatchAssembler evaluation = data.assembler(*rank.plan().evaluation, job.global_batch, false);
    Batch test_batch = evaluation.make_batch();
    for (std::int64_t step = 0; step < evaluation.sampler().steps_per_epoch(); ++step) {
      evaluation.fill(test_batch, 0, step);
      mine.evaluation.push_back(rank.evaluate(test_batch));
    }
    const std::lock_guard lock(mutex);
    if (results.training.empty()) results = mine;
    results.equal_on_all_ranks =
        results.equal_on_all_ranks && results.training == mine.training && results.evaluation == mine.evaluation;
  });
  return results;
}

void check_equal(const std::vector<StepResult>& actual, const std::vector<StepResult>& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("step " << i);
    CHECK(actual[i].loss == Approx(expected[i].loss).epsilon(1e-10));
    CHECK(actual[i].gradient_norm == Approx(expected[i].gradient_norm).epsilon(1e-10));
    CHECK(actual[i].samples == expected[i].samples);
    CHECK(actual[i].correct == expected[i].correct);
  }
}

const std::vector<MeshCase> meshes{{"1d", 1, 2}, {"2d", 1, 4}, {"2d", 1, 9}, {"", 4, 1}, {"2d", 2, 4}};

TEST_CASE("Batches that no mesh divides, the last one short: training and evaluation as on one rank", "[rank]") {
  const SmallData data(50);  // batches of 22, 22 and 6: on 2d 9 padded to 24, on data 4 some ranks get no sample
  const Results serial = run(test::small_job({}, 22), data, 6);
  CHECK(serial.training[2].samples == 6);
  CHECK(serial.training[5].loss < serial.training[0].loss);
  CHECK(serial.evaluation[0].gradient_norm == 0);
  double samples = 0;
  for (const StepResult& step : serial.evaluation) samples += step.samples;
  CHECK(samples == 50);
  for (const MeshCase& mesh : meshes) {
    const Results parallel = run(test::small_job(mesh, 22), data, 6);
    INFO(mesh.mode << " " << mesh.data << " x " << mesh.tensor);
    CHECK(parallel.equal_on_all_ranks);
    check_equal(parallel.training, serial.training);
    check_equal(parallel.evaluation, serial.evaluation);
  }
}

TEST_CASE("Rows without a sample change nothing", "[rank]") {
  const SmallData data(6);
  const Results exact = run(test::small_job({}, 6), data, 3);
  const Results padded = run(test::small_job({}, 15), data, 3);
  check_equal(padded.training, exact.training);
  check_equal(padded.evaluation, exact.evaluation);
}

// A batch whose labels are all -1 has no mean, but it must not harm the weights.
TEST_CASE("Rows with label -1 do not count", "[rank]") {
  const JobOptions job = test::small_job({"2d", 1, 4}, 12);
  const SmallData data(12);
  const auto first_step = [&](bool hide) {
    std::vector<StepResult> results(4);
    test::run_job(job, [&](Rank& rank, Communicator& world) {
      BatchAssembler assembler = data.assembler(rank.plan().training, job.global_batch, false);
      Batch batch = assembler.make_batch();
      assembler.fill(batch, 0, 0);
      const std::vector<Feed> feeds = Rank::feeds(rank.plan().training);
      for (std::size_t f = 0; f < feeds.size() && hide; ++f)
        for (std::int64_t row = 0; row < feeds[f].length; ++row) {
          if ((feeds[f].start + row) % 3 != 1) continue;
          if (feeds[f].field == FeedField::labels) batch.data<std::int32_t>(f)[row] = -1;
          if (feeds[f].field == FeedField::images) std::fill_n(batch.data<double>(f) + row * 36, 36, 1e3);
        }
      results[static_cast<std::size_t>(world.rank())] = rank.train(batch, {0, 0.05});
    });
    return results[3];
  };
  const StepResult all = first_step(false), some = first_step(true);
  CHECK(all.samples == 12);
  CHECK(some.samples == 8);
  CHECK(some.loss != all.loss);
  CHECK(std::isfinite(some.loss));
  CHECK(some.loss == Approx(all.loss).epsilon(0.2));  // the hidden rows' wild pixels would show
}

TEST_CASE("A rank allocates what its plan says", "[rank]") {
  for (const MeshCase& mesh : {MeshCase{}, MeshCase{"2d", 1, 4}}) {
    std::vector<int> right(static_cast<std::size_t>(mesh.tensor));
    test::run_job(test::small_job(mesh, 12), [&](Rank& rank, Communicator& world) {
      // Every parameter begins on a line of its own, which the plan does not count.
      const std::int64_t slack = rank.allocated_bytes() - rank.plan().device_bytes();
      const auto parameters = static_cast<std::int64_t>(rank.plan().training.compiled.program.persistent.size());
      right[static_cast<std::size_t>(world.rank())] = slack >= 0 && slack < 64 * parameters;
    });
    CHECK(right == std::vector<int>(right.size(), 1));
  }
}

}  // namespace
}  // namespace ctrain
