// Batches on a device that works late: what a step takes is its own batch, in whatever order streams come to their
// work, and whole runs have the CPU's bits.
#include "runtime/batch_feeder.h"

#include <catch2/catch.hpp>

#include "parallel/comm/local.h"
#include "runs.h"
#include "tests/support/queued_device.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using testing::QueuedDevice;

constexpr int compute_stream = 0, upload_stream = 2;  // in the order in which a rank makes them

const Registration<DeviceKind> registration("queued",
                                            {.count = [] { return 1; },
                                             .make = [](int) { return std::make_unique<QueuedDevice>(compute_stream); },
                                             .describe = [](int) { return DeviceDescription(); },
                                             .driver = [] { return std::string(); }});

// The feed blocks of a training program, on a device with this eager stream.
class FeedBlocks {
 public:
  explicit FeedBlocks(int eager_stream)
      : on_(std::make_unique<QueuedDevice>(eager_stream)),
        store_(*on_.device, compiled().program),
        arena_(*on_.device, static_cast<std::size_t>(plan_.arena_bytes())),
        mesh_(plan_.mesh, {}, *world_),
        executor_(compiled(), store_, arena_.data(), mesh_, on_),
        feeder_(on_, compiled().memory.feed_bytes) {}

  [[nodiscard]] Batch batch(int value) const {  // full of it
    Batch result = test::SmallData(12).assembler(plan_.training, 12).make_batch();
    for (auto& buffer : result.buffers) std::memset(buffer.data(), value, buffer.size() * sizeof(Batch::CacheLine));
    return result;
  }
  void bring(const Batch& batch) { feeder_.bring(compiled().program, batch); }
  void feed(const Batch& batch) { feeder_.feed(executor_, batch); }

  // Are all feed blocks full of this value, when the compute stream has done its work?
  [[nodiscard]] bool are_full_of(int value) {
    on_.compute->synchronize();
    for (const FeedBlock& feed : compiled().program.feeds) {
      const std::int64_t bytes = compiled().program.blocks[static_cast<std::size_t>(feed.block)].bytes();
      const std::byte* data = executor_.data(feed.block);
      if (!std::all_of(data, data + bytes, [&](std::byte b) { return b == static_cast<std::byte>(value); }))
        return false;
    }
    return true;
  }

 private:
  [[nodiscard]] const CompiledProgram& compiled() const { return plan_.training.compiled; }

  Plan plan_ = make_plan(test::small_job({}, 12), 0);
  std::unique_ptr<Communicator> world_ = LocalWorld(1).member(0);
  RankDevice on_;
  ParameterStore store_;
  Buffer arena_;
  MeshCommunicators mesh_;
  Executor executor_;
  BatchFeeder feeder_;
};

TEST_CASE("A step takes its own batch, whichever stream is ahead", "[feeds]") {
  FeedBlocks blocks(GENERATE(compute_stream, upload_stream));
  const Batch first = blocks.batch(1), third = blocks.batch(3);
  Batch second = blocks.batch(2);
  blocks.feed(first);
  SECTION("the next one comes while the step stands in its queue") {
    blocks.bring(second);
    CHECK(blocks.are_full_of(1));
    second = blocks.batch(9);  // the host has it back
    blocks.feed(second);
    blocks.bring(third);
    CHECK(blocks.are_full_of(2));
    blocks.feed(third);
    CHECK(blocks.are_full_of(3));
  }
  SECTION("the next one comes with its step") {
    CHECK(blocks.are_full_of(1));
    blocks.feed(second);
    CHECK(blocks.are_full_of(2));
  }
  SECTION("another one's step comes") {
    blocks.bring(second);
    blocks.feed(third);
    CHECK(blocks.are_full_of(3));
    blocks.feed(second);
    CHECK(blocks.are_full_of(2));
  }
}

// Epochs end, evaluations come between, the run stops and goes on: as where nothing is brought ahead.
TEST_CASE("A run whose batches are brought ahead has the CPU's bits, also after a resume", "[feeds][resume]") {
  Runs runs(R"(
GLOBAL_BATCH_SIZE: 16
NUM_EPOCHS: 3
model: {type: mlp, dims: [64, 32, 10], dropout: 0.1}
train_data:
  dataset: {type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 75}
  dataloader: {shuffle: true, pin_memory: true}
test_data:
  dataset: {type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 37, seed: 1}
loss: CrossEntropyLoss
optimizer: {type: AdamW, lr: 1e-3}
hooks: [AccuracyHook, {type: SaveCheckpointHook, interval: 6, save_by_iter: true}]
)");
  REQUIRE(runs.train("cpu", "{}", 12) == 0);
  REQUIRE(runs.train("whole", "{}", 12, "", "queued") == 0);
  REQUIRE(runs.train("parts", "{}", 6, "", "queued") == 0);
  REQUIRE(runs.train("parts", "{}", 12, "auto", "queued") == 0);
  for (const char* name : {"whole", "parts"}) {
    for (const char* file : {"model", "optimizer"}) {
      const std::string path = fmt::format("checkpoints/step_12/{}.safetensors", file);
      CHECK(runs.file(name, path) == runs.file("cpu", path));
    }
    const auto lines = runs.metrics(name), expected = runs.metrics("cpu");
    REQUIRE(lines.size() == expected.size());
    for (std::size_t i = 0; i < lines.size(); ++i)
      for (const char* key : {"kind", "step", "epoch", "loss", "grad_norm", "accuracy"})
        CHECK(lines[i].value(key, nlohmann::json()) == expected[i].value(key, nlohmann::json()));
  }
  const auto of_device = [&](const std::string& run) {
    return nlohmann::json::parse(runs.file(run, "summary.json"))["memory"][0]["device"];
  };
  const std::int64_t planned = of_device("whole")["predicted"], on_cpu = of_device("cpu")["predicted"];
  CHECK(planned - on_cpu == 16 * 64 * 4 + 256);  // images, and labels on a line
}

}  // namespace
}  // namespace ctrain
