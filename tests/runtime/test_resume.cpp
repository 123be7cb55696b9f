// Statement 8: 6 + 6 steps with a resume equal 12 steps bit for bit on the same mesh, and to rounding on another; and
// what a run leaves in its folder.
#include <catch2/catch.hpp>

#include "error_message.h"
#include "runs.h"
#include "runtime/checkpoint/checkpoint_folder.h"
#include "runtime/checkpoint/safetensors.h"

namespace ctrain {
namespace {

namespace fs = std::filesystem;

// Five steps an epoch, so that six steps end in the middle of one; a last batch that is not full; dropout.
constexpr const char* config = R"(
GLOBAL_BATCH_SIZE: 16
NUM_EPOCHS: 3
model: {type: vit, img_size: 8, patch_size: 4, in_channels: 1, num_classes: 10, hidden_size: 16, depth: 2, num_heads: 4,
        mlp_ratio: 2, dropout: 0.1, drop_path: 0.1}
train_data:
  dataset: {type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 75}
  dataloader: {shuffle: true}
test_data:
  dataset: {type: SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 37, seed: 1}
loss: {type: CrossEntropyLoss, label_smoothing: 0.1}
optimizer: {type: AdamW, lr: 1e-3}
lr_scheduler: {type: CosineAnnealingWarmupLR, warmup_steps: 3}
hooks: [LossHook, AccuracyHook, LRSchedulerHook, LogMetricByStepHook, LogMetricByEpochHook, ThroughputHook,
        {type: SaveCheckpointHook, interval: 6, save_by_iter: true}]
)";

constexpr const char* grid = "{tensor: {size: 4, mode: 2d}}";

TEST_CASE("six steps, a resume and six more are twelve steps to the bit", "[resume]") {
  Runs runs(config);
  const std::string mesh = GENERATE(std::string("{}"), std::string(grid), std::string("{data: 2}"));
  REQUIRE(runs.train("whole", mesh, 12) == 0);
  REQUIRE(runs.train("parts", mesh, 6) == 0);
  REQUIRE(runs.train("parts", mesh, 12, "auto") == 0);
  for (const char* name : {"checkpoints/step_12/model.safetensors", "checkpoints/step_12/optimizer.safetensors"})
    CHECK(runs.file("whole", name) == runs.file("parts", name));
  const auto whole = runs.metrics("whole"), parts = runs.metrics("parts");
  REQUIRE(whole.size() == parts.size());
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const char* key : {"kind", "step", "epoch", "loss", "lr", "grad_norm", "accuracy"})
      CHECK(whole[i].value(key, nlohmann::json()) == parts[i].value(key, nlohmann::json()));
}

TEST_CASE("a checkpoint of one mesh goes on on another, to rounding", "[resume]") {
  Runs runs(config);
  REQUIRE(runs.train("grid", grid, 12) == 0);
  for (const char* other : {"{}", "{tensor: {size: 2, mode: 1d}}", "{data: 2}"}) {
    const std::string name = std::string("other") + other;
    REQUIRE(runs.train(name, other, 12, (runs.folder("grid") / "checkpoints" / "step_6").string()) == 0);
    const auto last = runs.metrics(name).back(), expected = runs.metrics("grid").back();
    CHECK(last["step"] == expected["step"]);
    CHECK(last["loss"].get<double>() == Approx(expected["loss"].get<double>()).epsilon(1e-4));
  }
}

TEST_CASE("what a run leaves in its folder", "[run]") {
  Runs runs(config);
  REQUIRE(runs.train("run", grid, 7) == 0);
  for (const char* name : {"config.yaml", "plan.txt", "metrics.jsonl", "summary.json", "log.txt"})
    CHECK(fs::exists(runs.folder("run") / name));
  const auto summary = nlohmann::json::parse(runs.file("run", "summary.json"));
  CHECK(summary["world_size"] == 4);
  CHECK(summary["steps"] == 7);
  CHECK(summary["mesh"]["row"] == 2);
  REQUIRE(summary["memory"].size() == 4);
  for (const auto& rank : summary["memory"])
    for (const char* tier : {"device", "host", "nvme"}) CHECK(rank[tier]["predicted"] == rank[tier]["measured"]);
  CHECK(summary["arena"]["peak"].get<double>() <= 1.1 * summary["arena"]["lower_bound"].get<double>());
  CHECK(summary["start_seconds"].get<double>() > 0);
  CHECK(summary["test"]["accuracy"].get<double>() >= 0);

  const auto lines = runs.metrics("run");
  CHECK(std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line["kind"] == "step"; }) == 7);
  CHECK(std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line["kind"] == "eval"; }) == 1);

  SECTION("a second run there is refused, and nothing of the first changes") {
    const std::string before = runs.file("run", "metrics.jsonl");
    CHECK(usage_message([&] { runs.train("run", grid, 7); }).find("already holds a run") != std::string::npos);
    CHECK(runs.file("run", "metrics.jsonl") == before);
  }
}

TEST_CASE("bytes sent, as the communicators counted them, are the plans' over all ranks and steps", "[run]") {
  Runs runs(config);
  const std::string mesh = GENERATE(as<std::string>(), "{tensor: {size: 4, mode: 1d}}", grid, "{data: 2}",
                                    "{data: 2, tensor: {size: 2, mode: 1d}}");
  constexpr std::int64_t steps = 7, evaluation_steps = 3;  // one epoch ends: 37 test samples in batches of 16
  REQUIRE(runs.train("run", mesh, steps) == 0);
  const auto job = open_job(load_configuration_text(config, "job.yaml", {"parallel=" + mesh}));
  const nlohmann::json planned = planned_bytes(*job, steps, evaluation_steps);
  REQUIRE(!planned.empty());
  CHECK(nlohmann::json::parse(runs.file("run", "summary.json"))["bytes_sent"] == planned);
}

TEST_CASE("steps 0 only plans: config, plan and the initial checkpoint", "[run]") {
  Runs runs(config);
  REQUIRE(runs.train("plan", grid, 0) == 0);
  CHECK(fs::exists(runs.folder("plan") / "plan.txt"));
  CHECK(fs::exists(runs.folder("plan") / "checkpoints" / "step_0" / "manifest.json"));
}

}  // namespace
}  // namespace ctrain
