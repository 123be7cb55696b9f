// The table and the checks that follow from it alone: keys, types, ranges, defaults, names that are not built yet.
#include "runtime/config/schema.h"

#include <catch2/catch.hpp>
#include <set>

#include "runtime/config/configuration_reference.h"
#include "tests/runtime/config/config_text.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using ctrain::test::load;
using ctrain::test::problem;

TEST_CASE("defaults are filled in, synonyms and shorthands become the full form", "[config]") {
  const Configuration run = load(
      "lr_scheduler: {type: CosineAnnealingWarmupLR, warmup_steps: 2}\nhooks: [LossHook, {type: SaveCheckpointHook}]\n",
      {"model.embed_dim=96", "model.drop_rate=0.1", "model.mlp_ratio=2"});
  const Setting& root = run.root;
  CHECK(root["model"].inline_text() ==
        "{type: vit, img_size: 32, patch_size: 4, in_channels: 3, num_classes: 10, hidden_size: 96, depth: 2, "
        "num_heads: 6, "
        "mlp_ratio: 2.0, qkv_bias: true, representation_size: null, dropout: 0.1, attention_dropout: 0.0, drop_path: "
        "0.0, "
        "init_method: torch, layer_norm_epsilon: 1e-06, init_from: null}");
  CHECK(root["loss"].inline_text() ==
        "{type: CrossEntropyLoss, label_smoothing: 0.0, ignore_index: -100, reduction: mean}");
  CHECK(root["optimizer"].inline_text() ==
        "{type: SGD, lr: 0.001, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false}");
  CHECK(root["lr_scheduler"].inline_text() ==
        "{type: CosineAnnealingWarmupLR, total_steps: null, warmup_steps: 2, eta_min: 0.0, by_epoch: false}");
  CHECK(root["hooks"].inline_text() ==
        "[{type: LossHook, priority: 0}, {type: SaveCheckpointHook, interval: 1, checkpoint_dir: checkpoints, "
        "save_by_iter: "
        "false, priority: 10}]");
  CHECK(root["parallel"].inline_text() ==
        "{data: 1, pipeline: {size: 1, schedule: 1f1b, partition: uniform, cuts: [], scatter_gather: true}, tensor: "
        "{size: 1, mode: null, depth: null}}");
  CHECK(root["SEED"].integer() == 1024);
  CHECK(root["NUM_EPOCHS"].integer() == 1);
  CHECK(root["test_interval"].integer() == 1);
  CHECK(root["display_progress"].boolean());
  CHECK(root["dtype"].text() == "fp32");
  for (const char* optional : {"test_data", "checkpoints"}) CHECK(root.find(optional) == nullptr);
}

TEST_CASE("torch's and torchvision's defaults and forms of the other components", "[config]") {
  CHECK(load("", {"optimizer=AdamW"}).root["optimizer"].inline_text() ==
        "{type: AdamW, lr: 0.001, betas: [0.9, 0.999], eps: 1e-08, weight_decay: 0.01, amsgrad: false}");
  CHECK(load("", {"optimizer=Adam"}).root["optimizer"]["weight_decay"].real() == 0);
  CHECK(load("", {"lr_scheduler={type: LinearWarmupLR, total_steps: 60}"}).root["lr_scheduler"].inline_text() ==
        "{type: LinearWarmupLR, total_steps: 60, warmup_steps: 0, by_epoch: false}");
  CHECK(load("", {"model={type: mlp, dims: [3072, 10]}"}).root["model"].inline_text() ==
        "{type: mlp, dims: [3072, 10], activation: gelu, bias: true, dropout: 0.0, init_from: null}");
  const Setting images =
      load("",
           {"train_data.dataset={type: FashionMNISTDataset, transform_pipeline: [{type: Resize, size: 32}, {type: Pad, "
            "padding: [1, 2]}, {type: RandomCrop, size: [28, 32]}, RandomHorizontalFlip, Gray2RGB, ToTensor, {type: "
            "Normalize, mean: 0.5, std: [1]}]}"})
          .root["train_data"]["dataset"];
  CHECK(images["root"].text() == "/usr/share/datasets/fashion-mnist");
  CHECK(images["train"].boolean());
  CHECK(images["transform_pipeline"].inline_text() ==
        "[{type: Resize, size: [32], interpolation: bilinear, antialias: true}, {type: Pad, padding: [1, 2], fill: 0, "
        "padding_mode: constant}, {type: RandomCrop, size: [28, 32], padding: null, fill: 0, padding_mode: constant, "
        "pad_if_needed: false}, {type: RandomHorizontalFlip, p: 0.5}, {type: Gray2RGB}, {type: ToTensor}, {type: "
        "Normalize, "
        "mean: [0.5], std: [1.0]}]");
}

TEST_CASE("unknown keys are errors with the nearest spelling", "[config]") {
  CHECK(problem("modle: 3\n") == "run.yaml:6:1: modle: '3': expected a known key; did you mean 'model'?");
  CHECK(problem("", {"model.hiden_size=64"}) ==
        "--set: model.hiden_size: '64': expected a known key; did you mean 'hidden_size'?");
  CHECK(problem("hooks: [{type: LogMetricByEpochHook, foo: 1}]\n") ==
        "run.yaml:6:38: hooks.0.foo: '1': expected one of the keys interval, priority");
  CHECK(problem("gradient_clipping: 2.0\n") == "run.yaml:6:1: gradient_clipping: '2.0': expected a known key");
  CHECK_THAT(problem("Batch_Size: 3\n"), Contains("did you mean 'BATCH_SIZE'?"));
  CHECK(
      problem("test_data: {dataset: {type: MNISTDataset, root: r, transform_pipeline: [{type: ToTensor, p: 1}]}}\n") ==
      "run.yaml:6:90: test_data.dataset.transform_pipeline.0.p: '1': expected no arguments here");
}

TEST_CASE("wrong types and values out of range", "[config]") {
  CHECK(problem("NUM_EPOCHS: many\n") == "run.yaml:6:13: NUM_EPOCHS: 'many': expected an integer >= 1");
  CHECK(problem("NUM_EPOCHS: 2.0\n") ==
        "run.yaml:6:13: NUM_EPOCHS: '2.0': expected an integer >= 1; did you mean '2'?");
  CHECK(problem("NUM_EPOCHS: 0\n") == "run.yaml:6:13: NUM_EPOCHS: '0': expected an integer >= 1");
  CHECK(problem("NUM_EPOCHS:\nSEED: 1\n") == "run.yaml:6:1: NUM_EPOCHS: 'null': expected an integer >= 1");
  CHECK(problem("display_progress: yes\n") ==
        "run.yaml:6:19: display_progress: 'yes': expected true or false; did you mean 'true'?");
  CHECK(problem("hooks: LossHook\n") ==
        "run.yaml:6:8: hooks: 'LossHook': expected a list of values, each a hook (LossHook, AccuracyHook, "
        "LRSchedulerHook, "
        "LogMetricByStepHook, LogMetricByEpochHook, ThroughputHook, SaveCheckpointHook)");
  CHECK(problem("test_data: 3\n") == "run.yaml:6:12: test_data: '3': expected a mapping {dataset, dataloader}");
  CHECK(problem("", {"model.dropout=1"}) == "--set: model.dropout: '1': expected a number in [0, 1)");
  CHECK(problem("", {"model.dropout=.nan"}) == "--set: model.dropout: '.nan': expected a number in [0, 1)");
  CHECK(problem("", {"model.num_classes=0"}) == "--set: model.num_classes: '0': expected an integer >= 1");
  CHECK(problem("", {"model.init_method=tim"}) ==
        "--set: model.init_method: 'tim': expected one of torch, timm; did you mean 'timm'?");
  CHECK(problem("", {"model={type: mlp, dims: [3]}"}) ==
        "--set: model.dims: '[3]': expected a list of 2 or more values, each an integer >= 1");
  CHECK(problem("", {"optimizer={type: Adam, betas: [0.9]}"}) ==
        "--set: optimizer.betas: '[0.9]': expected a list of 2 values, each a number in [0, 1)");
  CHECK(problem("", {"train_data.dataset={type: MNISTDataset, root: 7}"}) ==
        "--set: train_data.dataset.root: '7': expected text (in quotes, where it looks like something else)");
  CHECK_THAT(load("", {"SEED=9223372036854775807"}).root["SEED"].inline_text(), Contains("9223372036854775807"));
}

TEST_CASE("missing keys", "[config]") {
  const auto of_text = [](const std::string& text) {
    try {
      load_configuration_text(text, "run.yaml");
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CHECK_THAT(of_text(""), Contains("run.yaml:1:1: 'null': expected a mapping of keys"));
  CHECK_THAT(of_text("- a\n"), Contains("run.yaml:1:1: '[a]': expected a mapping of keys"));
  const std::string all = of_text("SEED: 1\n");
  for (const char* key : {"model", "train_data", "loss", "optimizer", "BATCH_SIZE"})
    CHECK_THAT(all, Contains(std::string("run.yaml:1:1: ") + key + ": is missing; expected "));
  CHECK_THAT(problem("", {"model={type: mlp}"}),
             Contains("--set: model.dims: is missing; expected a list of 2 or more"));
  CHECK_THAT(problem("test_data: {dataset: {root: x}}\n"),
             Contains("run.yaml:6:22: test_data.dataset: '{root: x}': 'type' is missing; expected a dataset"));
  CHECK_THAT(problem("test_data: {dataset: {type: CIFAR10Dataset}}\n"),
             Contains("run.yaml:6:22: test_data.dataset.root: is missing; expected text"));
}

TEST_CASE("unknown components are errors with the nearest name", "[config]") {
  CHECK(problem("", {"optimizer=adamw"}) ==
        "--set: optimizer.type: 'adamw': expected an optimizer (SGD, Adam, AdamW); did you mean 'AdamW'?");
  CHECK_THAT(problem("hooks: [LosHook]\n"),
             Contains("run.yaml:6:9: hooks.0.type: 'LosHook': expected") && Contains("did you mean 'LossHook'?"));
  CHECK_THAT(problem("", {"model.type=vitt"}),
             Contains("--set: model.type: 'vitt'") && Contains("did you mean 'vit'?"));
}

TEST_CASE("what is not built yet is refused by its name", "[config]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"fp16", "{mode: torch}"},
      {"mixed_precision", "fp16"},
      {"mixed_precision", "fp16_naive"},
      {"mixed_precision", "fp16_apex"},
      {"zero", "{}"},
      {"gemini", "{placement_policy: cpu}"},
      {"clip_grad_norm", "1.0"},
      {"clip_grad_value", "1"},
      {"gradient_handler", "[{type: MoeGradientHandler}]"},
      {"gradient_handlers", "[{type: ZeROGradientHandler}]"},
      {"plugin", "gemini"},
      {"nvme_offload_fraction", "0.5"},
      {"nvme_offload_dir", "x"},
      {"memory", "{device_capacity: 1}"},
      {"activation_memory", "x"},
      {"activation_checkpoint", "true"},
      {"CHECKPOINT", "true"},
      {"max_time", "auto"},
      {"logging", "{level: x}"},
      {"parallel.moe", "{size: 2}"},
      {"model.checkpoint", "true"},
      {"optimizer.nesterov", "true"},
      {"optimizer", "Lamb"},
      {"optimizer", "HybridAdam"},
      {"lr_scheduler", "OneCycleLR"},
      {"loss", "MoeLoss"},
      {"train_data.dataset.type", "ImageFolderDataset"},
      {"hooks", "[TensorboardHook]"},
      {"model.init_method", "jax"}};
  for (const auto& [key, value] : cases) {
    INFO(key << "=" << value);
    const std::string message = problem("", {key + "=" + value});
    CHECK_THAT(message, Contains("is not built yet in this version") && !Contains("problems in"));
  }
  CHECK(problem("fp16: {mode: torch}\n") == "run.yaml:6:7: fp16: '{mode: torch}': is not built yet in this version");
}

TEST_CASE("values that switch such keys off are accepted and leave no trace", "[config]") {
  const Configuration run = load(
      "fp16: null\ngradient_accumulation: 1\nclip_grad_norm: 0.0\nNUM_CHUNKS: null\nlibraries: []\n"
      "zero:\nparallel: {pipeline: {size: 1}, moe: {size: 1}}\n");
  CHECK(run.root == load("").root);
}

TEST_CASE("the user's variables: unused ones are warned of, near-misses are errors", "[config]") {
  const Configuration run = load("WIDTH: 96\nFOO: 1\nPATCH_SIZE: 4\n", {"model.hidden_size=${WIDTH}"});
  CHECK(run.warnings == std::vector<std::string>{"run.yaml:7:1: FOO: nothing uses this variable",
                                                 "run.yaml:8:1: PATCH_SIZE: nothing uses this variable"});
  CHECK(run.root.find("WIDTH") == nullptr);
  CHECK(problem("BATCHSIZE: 4\n") == "run.yaml:6:1: BATCHSIZE: '4': expected a known key; did you mean 'BATCH_SIZE'?");
  CHECK(problem("NUM_EPOCH: 4\n") == "run.yaml:6:1: NUM_EPOCH: '4': expected a known key; did you mean 'NUM_EPOCHS'?");
  CHECK(problem("LOSS: 4\n") == "run.yaml:6:1: LOSS: '4': expected a known key; did you mean 'loss'?");
  for (const std::string& name : documented_variables()) CHECK(problem(name + ": 4\n").empty());
}

TEST_CASE("lower-case spellings of the upper-case keys are taken", "[config]") {
  const Configuration run = load("seed: 7\nnum_epochs: 3\n");
  CHECK(run.root["SEED"].integer() == 7);
  CHECK(run.root["NUM_EPOCHS"].integer() == 3);
  CHECK(problem("global_batch_size: 8\n") ==
        "run.yaml:6:1: global_batch_size: '8': this is the same key as 'GLOBAL_BATCH_SIZE' at run.yaml:5:1; expected "
        "one of "
        "them");
  CHECK_THAT(problem("test_data: {dataset: {type: FashionMNISTDataset}}\ntest_data: 3\n"), Contains("stands twice"));
}

TEST_CASE("all problems of a file are told at once", "[config]") {
  CHECK(problem("NUM_EPOCHS: x\nzero: {}\nhook: []\nA: ${B}\n", {"model.depth=0"}) ==
        "5 problems in the configuration:\n"
        "  run.yaml:6:13: NUM_EPOCHS: 'x': expected an integer >= 1\n"
        "  run.yaml:7:7: zero: '{}': is not built yet in this version\n"
        "  run.yaml:8:1: hook: '[]': expected a known key; did you mean 'hooks'?\n"
        "  run.yaml:9:4: A: '${B}': there is no value 'B'\n"
        "  --set: model.depth: '0': expected an integer >= 1");
  // A value whose reference failed is not complained of a second time.
  CHECK(problem("NUM_EPOCHS: ${NOWHERE}\n") == "run.yaml:6:13: NUM_EPOCHS: '${NOWHERE}': there is no value 'NOWHERE'");
}

namespace {

void check_rows(const std::vector<Field>& fields, const std::string& where) {
  std::set<std::string> names;
  for (const Field& field : fields) {
    INFO(where << "." << field.name);
    CHECK(names.insert(field.name).second);
    for (const std::string& synonym : field.synonyms) CHECK(names.insert(synonym).second);
    if (field.built && field.type.form != Type::Form::mapping) CHECK_FALSE(describe(field.type).empty());
    if (!field.built) continue;
    CHECK((where.find("moe") != std::string::npos || !field.meaning.empty()));
    CHECK_NOTHROW(default_of(field));
    check_rows(field.type.fields, where + "." + field.name);
  }
}

}  // namespace

TEST_CASE("the table is in order, and the reference page shows every row", "[config]") {
  check_rows(root_fields(), "");
  const std::string page = configuration_reference();
  for (const Field& field : root_fields()) CHECK_THAT(page, Contains("`" + field.name + "`"));
  for (const std::string& family : families()) {
    std::set<std::string> types;
    for (const Component& entry : components_of(family)) {
      CHECK(types.insert(entry.type).second);
      check_rows(entry.fields, entry.type);
      CHECK_THAT(page, Contains(entry.type));
      for (const Field& field : entry.fields)
        if (field.built) CHECK_THAT(page, Contains("| `" + field.name + "`"));
    }
  }
  CHECK_THAT(page, Contains("| `hidden_size` (`embed_dim`) | an integer >= 1 | `768` | width of a token |"));
  CHECK_THAT(page, Contains("| `parallel.tensor.mode` | one of 1d, 2.5d, 2d, 3d, sequence or null | `null` |"));
}
