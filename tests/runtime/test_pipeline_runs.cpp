// Runs with pipelines from a configuration: checkpoints go between meshes, tied weights are stored once, what is
// predicted is measured.
#include <omp.h>

#include <catch2/catch.hpp>

#include "runs.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/checkpoint/safetensors.h"

namespace ctrain {
namespace {

// 16 sequences a step in two batches of two micro-batches; five steps an epoch, the last with 11 sequences.
constexpr const char* config = R"(
GLOBAL_BATCH_SIZE: 8
NUM_MICRO_BATCHES: 2
gradient_accumulation: 2
NUM_EPOCHS: 3
model: {type: gpt2, vocab_size: 31, n_positions: 6, hidden_size: 16, depth: 4, num_heads: 4, mlp_ratio: 2, dropout: 0.1,
        embed_dropout: 0.1}
train_data:
  dataset: {type: SyntheticDataset, vocab_size: 31, seq_len: 6, size: 75}
  dataloader: {shuffle: true}
test_data:
  dataset: {type: SyntheticDataset, vocab_size: 31, seq_len: 6, size: 21, seed: 1}
loss: CrossEntropyLoss
optimizer: {type: AdamW, lr: 1e-3}
lr_scheduler: {type: CosineAnnealingWarmupLR, warmup_steps: 3}
hooks: [LossHook, LRSchedulerHook, LogMetricByStepHook, LogMetricByEpochHook, ThroughputHook,
        {type: SaveCheckpointHook, interval: 6, save_by_iter: true}]
)";

constexpr const char* grid = "{pipeline: 2, tensor: {size: 2, mode: 1d}}";
constexpr const char* vee = "{pipeline: {size: 2, schedule: zbv}}";
constexpr const char* replicas = "{data: 2, pipeline: {size: 4, schedule: zb_h1}}";

TEST_CASE("pipelines go on from a checkpoint to the bit", "[resume][pipeline]") {
  Runs runs(config);
  const std::string mesh = GENERATE(as<std::string>(), "{}", grid, vee);
  REQUIRE(runs.train("whole", mesh, 12) == 0);
  REQUIRE(runs.train("parts", mesh, 6) == 0);
  REQUIRE(runs.train("parts", mesh, 12, "auto") == 0);
  for (const char* name : {"checkpoints/step_12/model.safetensors", "checkpoints/step_12/optimizer.safetensors"})
    CHECK(runs.file("whole", name) == runs.file("parts", name));
  CHECK(read_manifest(runs.folder("whole") / "checkpoints" / "step_12").samples_seen == 2 * 75 + 2 * 16);
  CHECK(runs.metrics("whole").size() == runs.metrics("parts").size());
}

TEST_CASE("a checkpoint of any pipeline goes on on another mesh", "[resume][pipeline]") {
  Runs runs(config);
  REQUIRE(runs.train("one", "{}", 12) == 0);
  for (const char* mesh : {grid, vee, replicas}) {
    INFO(mesh);
    const std::string name = mesh;
    REQUIRE(runs.train(name, mesh, 12) == 0);
    REQUIRE(runs.train(name + " alone", "{}", 12, (runs.folder(name) / "checkpoints" / "step_6").string()) == 0);
    REQUIRE(runs.train(name + " again", mesh, 12, (runs.folder("one") / "checkpoints" / "step_6").string()) == 0);
    for (const char* resumed : {"", " alone", " again"}) {
      const auto last = runs.metrics(name + resumed).back(), expected = runs.metrics("one").back();
      CHECK(last["step"] == expected["step"]);
      CHECK(last["loss"].get<double>() == Approx(expected["loss"].get<double>()).epsilon(1e-4));
    }
  }
}

TEST_CASE("every tensor is stored once, a shared one too, and starts the same on every mesh",
          "[checkpoint][pipeline]") {
  Runs runs(config);
  REQUIRE(runs.train("one", "{}", 0) == 0);
  for (const char* mesh : {grid, vee, replicas}) {
    INFO(mesh);
    REQUIRE(runs.train(mesh, mesh, 0) == 0);
    for (const char* name : {"checkpoints/step_0/model.safetensors", "checkpoints/step_0/optimizer.safetensors"})
      CHECK(runs.file(mesh, name) == runs.file("one", name));
  }
  const SafetensorsFile file(runs.folder(grid) / "checkpoints" / "step_0" / "model.safetensors");
  CHECK(file.tensors().size() == 4 + 4 * 12);
  CHECK(file.find("transformer.wte.weight") != nullptr);
  CHECK(file.find("lm_head.weight") == nullptr);
}

TEST_CASE("memory and bytes of a pipeline are those of its plans", "[run][pipeline]") {
  Runs runs(config);
  const std::string mesh = GENERATE(as<std::string>(), "{}", grid, vee, replicas);
  constexpr std::int64_t steps = 7, evaluation_steps = 3;  // one epoch ends: 21 test samples in batches of 8
  REQUIRE(runs.train("run", mesh, steps) == 0);
  const auto summary = nlohmann::json::parse(runs.file("run", "summary.json"));
  for (const auto& rank : summary["memory"])
    for (const char* tier : {"device", "host"}) CHECK(rank[tier]["predicted"] == rank[tier]["measured"]);
  const auto job = open_job(load_configuration_text(config, "job.yaml", {"parallel=" + mesh}));
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);  // as the runs' ranks have
  for (int rank = 0; rank < job->configuration.world_size(); ++rank) {
    const Plan plan = make_plan(job->options, rank);
    CHECK(summary["memory"][static_cast<std::size_t>(rank)]["device"]["measured"] == plan.device_bytes());
  }
  omp_set_num_threads(threads);
  const nlohmann::json planned = planned_bytes(*job, steps, evaluation_steps);
  CHECK((summary["bytes_sent"].empty() ? nlohmann::json::object() : nlohmann::json(summary["bytes_sent"])) == planned);
  CHECK(planned.contains("broadcast") == (mesh != "{}"));
}

TEST_CASE("the loss is the same number on every mesh, in a short last step too", "[run][pipeline]") {
  Runs runs(config);
  REQUIRE(runs.train("one", "{}", 5) == 0);
  for (const char* mesh : {grid, replicas}) {
    REQUIRE(runs.train(mesh, mesh, 5) == 0);
    const auto lines = runs.metrics(mesh), expected = runs.metrics("one");
    REQUIRE(lines.size() == expected.size());
    for (std::size_t i = 0; i < lines.size(); ++i)
      CHECK(lines[i]["loss"].get<double>() == Approx(expected[i]["loss"].get<double>()).epsilon(1e-5));
  }
}

}  // namespace
}  // namespace ctrain
