// Colossal-AI's old names and forms, in files of its kind: what they become, and what is refused.
#include "runtime/config/colossal_names.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/runtime/config/config_text.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using ctrain::test::load;
using ctrain::test::problem;

namespace {

const std::filesystem::path source = CTRAIN_SOURCE_DIR;

// Lines 1 to 4; a test's own text begins at line 5.
const std::string old_model =
    R"(BATCH_SIZE, DIM = 8, 48
train_data = dict(dataset=dict(type='SyntheticDataset', shape=(3, 32, 32)))
optimizer = dict(type='SGD', lr=0.1)
loss = dict(type='CrossEntropyLoss2D')
model = dict(type='VisionTransformerFromConfig', depth=2, drop_path_rate=0.1,
    embedding_cfg=dict(type='VanillaViTPatchEmbedding', img_size=32, patch_size=4, in_chans=3, embed_dim=DIM),
    norm_cfg=dict(type='LayerNorm', normalized_shape=DIM, eps=1e-5),
    block_cfg=dict(type='ViTBlock',
        attention_cfg=dict(type='ViTSelfAttention2p5D', hidden_size=DIM, num_attention_heads=6,
                           attention_dropout_prob=0.2, hidden_dropout_prob=0),
        mlp_cfg=dict(type='ViTMLP3D', in_features=DIM, dropout_prob=0., mlp_ratio=2)),
    head_cfg=dict(type='ViTHead1D', hidden_size=DIM, num_classes=7))
)";

Configuration load_python(const std::string& text, const std::vector<std::string>& overrides = {},
                          const std::string& recipe = "") {
  return load_configuration_text(text, "run.py", overrides, std::nullopt, recipe);
}

std::string python_problem(const std::string& text, const std::vector<std::string>& overrides = {},
                           const std::string& recipe = "") {
  try {
    load_python(text, overrides, recipe);
    return "";
  } catch (const Error& error) {
    return error.kind() == ErrorKind::usage ? error.what() : std::string("not a usage error: ") + error.what();
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a .py file and its YAML form are the same run", "[config]") {
  unsetenv("DATA");
  const auto configs = source / "configs" / "colossal";
  for (const std::vector<std::string>& overrides :
       {std::vector<std::string>{}, {"BATCH_SIZE=16", "DIM=64"}, {"model.depth=3", "optimizer.lr=0.5"}}) {
    const Configuration python = load_configuration(configs / "vit_2d.py", overrides);
    CHECK(python.root == load_configuration(configs / "vit_2d.yaml", overrides).root);
    CHECK(python.warnings.empty());
    CHECK(load_configuration_text(to_yaml(python), "config.yaml").root == python.root);
  }
}

TEST_CASE("the reference file runs as it is", "[config]") {
  const char* variable = std::getenv("CTRAIN_SHARED");
  const auto shared = variable != nullptr ? std::filesystem::path(variable) : source / ".." / "shared";
  const auto file = shared / "reference" / "vit_2d_style.py";
  if (!std::filesystem::exists(file)) {
    WARN("no " << file.string());
    return;
  }
  setenv("DATA", "/data/cifar", 1);
  const Configuration python = load_configuration(file, {}, 4);
  Configuration yaml = load_configuration(source / "configs" / "colossal" / "vit_2d.yaml");
  unsetenv("DATA");
  for (const char* key : {"parallel", "model", "loss", "optimizer", "lr_scheduler", "hooks", "NUM_EPOCHS"})
    CHECK(python.root[key] == yaml.root[key]);
  CHECK(python.root.at("test_data.dataset.root").text() == "/data/cifar");
  REQUIRE(python.warnings.size() == 3);
  CHECK_THAT(python.warnings[0], Contains("vit_2d_style.py:37:80: checkpoint: activation checkpointing"));
  CHECK_THAT(python.warnings[1], Contains("vit_2d_style.py:50:16: logging.root_path: is not read"));
  CHECK_THAT(python.warnings[2], Contains("vit_2d_style.py:13:1: SUMMA_DIM: nothing uses this variable"));
}

TEST_CASE("VisionTransformerFromConfig and its parts are vit", "[config]") {
  const Configuration run = load_python(old_model);
  CHECK(run.root["model"].inline_text() ==
        "{type: vit, img_size: 32, patch_size: 4, in_channels: 3, num_classes: 7, hidden_size: 48, depth: 2, "
        "num_heads: 6, mlp_ratio: 2.0, qkv_bias: true, representation_size: null, dropout: 0.0, "
        "attention_dropout: 0.2, drop_path: 0.1, init_method: torch, layer_norm_epsilon: 1e-05, init_from: null}");
  CHECK(run.root["model"]["layer_norm_epsilon"].location().text() == "run.py:7:63");
  CHECK(run.warnings.empty());
}

TEST_CASE("parts of a model that are not understood, or do not agree", "[config]") {
  const auto spoilt = [](const std::string& from, const std::string& to) {
    return python_problem(replaced(old_model, from, to));
  };
  CHECK(spoilt("normalized_shape=DIM", "normalized_shape=96") ==
        "run.py:7:54: model.norm_cfg.normalized_shape: '96': expected 48, as at run.py:6:106");
  CHECK(spoilt("dropout_prob=0., ", "dropout_prob=0.1, ") ==
        "run.py:11:69: model.block_cfg.mlp_cfg.dropout_prob: '0.1': expected 0, as at run.py:10:76");
  CHECK(spoilt("'ViTMLP3D'", "'ViTMoE'") ==
        "run.py:11:27: model.block_cfg.mlp_cfg.type: 'ViTMoE': expected ViTMLP* or VanillaViTMLP (*: 1D, 2D, 2p5D or "
        "3D)");
  CHECK(spoilt("mlp_ratio=2", "mlp_ration=2") ==
        "run.py:11:73: model.block_cfg.mlp_cfg.mlp_ration: '2': expected one of in_features, mlp_ratio, dropout_prob, "
        "drop, checkpoint, weight_init");
  CHECK_THAT(spoilt("head_cfg", "tail_cfg"), Contains("run.py:12:5: model.tail_cfg: '{type: ViTHead1D") &&
                                                 Contains("expected one of the keys img_size, patch_size"));
  CHECK_THAT(spoilt("img_size=32", "img_size=30"), Contains("run.py:6:81: model.patch_size: '4': expected a divisor"));
  CHECK_THAT(spoilt("num_classes=7", "num_classes=7, weight_init='jax'"),
             Contains("run.py:12:81: model.init_method: 'jax': is not built yet"));
}

TEST_CASE("the command line wins over every old place of a value", "[config]") {
  const auto width = [](const std::string& assignment) {
    return load_python(old_model, {assignment}).root.at("model.hidden_size").integer();
  };
  for (const char* path : {"DIM", "model.hidden_size", "model.embed_dim", "model.embedding_cfg.embed_dim",
                           "model.head_cfg.hidden_size", "model.block_cfg.mlp_cfg.in_features"})
    CHECK(width(std::string(path) + "=96") == 96);
  CHECK_THAT(python_problem(old_model, {"model.hidden_size=96", "model.head_cfg.hidden_size=12"}),
             Contains("--set: model.") && Contains("expected 12, as at --set"));
  CHECK(load_python(old_model, {"loss=CrossEntropyLoss3D"}).root.at("loss.type").text() == "CrossEntropyLoss");
}

TEST_CASE("components named after a tensor mode are the same in all modes", "[config]") {
  for (const char* mode : {"1D", "2D", "2p5D", "3D"}) {
    const Configuration run =
        load(fmt::format("hooks: [Accuracy{0}Hook, {{type: Accuracy{0}Hook, priority: 3}}]\n", mode),
             {fmt::format("loss={{type: CrossEntropyLoss{}, reduction: true}}", mode)});
    CHECK(run.root["loss"] == load("").root["loss"]);
    CHECK(run.root["hooks"].inline_text() == "[{type: AccuracyHook, priority: 0}, {type: AccuracyHook, priority: 3}]");
  }
  CHECK_THAT(problem("", {"loss=CrossEntropyLoss4D"}), Contains("loss.type: 'CrossEntropyLoss4D': expected a loss"));
  CHECK_THAT(problem("hooks: [Accuracy2DHooks]\n"), Contains("run.yaml:6:9: hooks.0.type: 'Accuracy2DHooks'"));
}

TEST_CASE("LRSchedulerHook brings its schedule along", "[config]") {
  const std::string hooks =
      "hooks = [dict(type='LRSchedulerHook', by_epoch=True, lr_scheduler_cfg=dict(type='LinearWarmupLR', "
      "warmup_steps=5))]\n";
  const Setting root = load_python(old_model + hooks).root;
  CHECK(root["lr_scheduler"].inline_text() ==
        "{type: LinearWarmupLR, total_steps: null, warmup_steps: 5, by_epoch: true}");
  CHECK(root["hooks"].inline_text() ==
        "[{type: LRSchedulerHook, by_epoch: true, store_lr_in_state: true, priority: 1}]");
  for (const char* path : {"lr_scheduler.warmup_steps=3", "hooks.0.lr_scheduler_cfg.warmup_steps=3"})
    CHECK(load_python(old_model + hooks, {path}).root.at("lr_scheduler.warmup_steps").integer() == 3);
  CHECK(python_problem(old_model + hooks + "lr_scheduler = dict(type='LinearWarmupLR', warmup_steps=4)\n") ==
        "run.py:13:112: hooks.0.lr_scheduler_cfg.warmup_steps: '5': expected 4, as at run.py:14:57");
  CHECK_THAT(python_problem(old_model + replaced(hooks, "LinearWarmupLR", "OneCycleLR")),
             Contains("run.py:13:81: lr_scheduler.type: 'OneCycleLR': is not built yet"));
}

TEST_CASE("a name that others use is a variable, whatever its case", "[config]") {
  const std::string text = "rate, Unused = 0.5, 1\n" + replaced(old_model, "lr=0.1", "lr=rate");
  CHECK(python_problem(text) == "run.py:1:7: Unused: '1': expected a known key");
  const std::string good = replaced(text, ", Unused = 0.5, 1", " = 0.5");
  CHECK(load_python(good).root.at("optimizer.lr").real() == 0.5);
  CHECK(load_python(good, {"rate=0.25"}).root.at("optimizer.lr").real() == 0.25);
  CHECK(load_python(good, {"model.mlp_ratio=${rate * 4}"}).root.at("model.mlp_ratio").real() == 2);
}

TEST_CASE("old forms of data, schedule and logging", "[config]") {
  const std::string more =
      "train_data['dataloader'] = dict(sampler=dict(type='DataParallelSampler', shuffle=True))\n"
      "logging = dict(root_path='./logs')\nschedule = dict(num_microbatches=2)\n";
  const Configuration run = load_python(old_model + more);
  CHECK(run.root.at("train_data.dataloader.shuffle").boolean());
  CHECK(run.warnings ==
        std::vector<std::string>{"run.py:14:16: logging.root_path: is not read; the log is log.txt in the run folder"});
  CHECK(run.pipeline.micro_batches == 2);
  CHECK_THAT(python_problem(old_model + "logging = dict(level='info')\n"),
             Contains("logging: '{level: info}': is not"));
  CHECK_THAT(python_problem(old_model + "train_data['dataloader'] = dict(sampler=dict(type='Other'))\n"),
             Contains("train_data.dataloader.sampler: '{type: Other}': expected"));
  const Configuration images = load_python(
      old_model + "test_data = dict(dataset=dict(type='CIFAR10Dataset', root='x', train=False, download=True))\n");
  REQUIRE(images.warnings.size() == 1);
  CHECK_THAT(images.warnings.front(), Contains("test_data.dataset.download: nothing is downloaded"));
}

TEST_CASE("what is not built yet is refused by its name in a .py file", "[config]") {
  CHECK(python_problem(old_model + "fp16 = dict(mode=AMP_TYPE.NAIVE, initial_scale=2.**16)\nclip_grad_norm = 1.0\n") ==
        "2 problems in the configuration:\n"
        "  run.py:13:8: fp16: '{mode: naive, initial_scale: 65536.0}': is not built yet in this version\n"
        "  run.py:14:18: clip_grad_norm: '1.0': is not built yet in this version");
}

// The tutorial's hybrid_parallel/configs, without what is not built yet.
TEST_CASE("pipelines of old files", "[config][pipeline]") {
  const std::string hybrid =
      "BATCH_SIZE = 8\nHIDDEN_SIZE, NUM_HEADS, DEPTH = 48, 6, 4\nIMG_SIZE, PATCH_SIZE = 40, 8\n"
      "SEQ_LENGTH = (IMG_SIZE // PATCH_SIZE) ** 2 + 1\n"
      "parallel = dict(pipeline=2, tensor=dict(mode='1d', size=2))\n"
      "NUM_MICRO_BATCHES = parallel['pipeline']\n"
      "TENSOR_SHAPE = (BATCH_SIZE // NUM_MICRO_BATCHES, SEQ_LENGTH, HIDDEN_SIZE)\n"
      "gradient_accumulation = 4\n";
  setenv("DATA", "/data/cifar", 1);
  const Configuration run = load_python(hybrid, {}, "vit_cifar10");
  CHECK((run.pipeline.stages == 2 && run.tensor == 2 && run.pipeline.micro_batches == 2 && run.accumulation == 4));
  CHECK(run.root["TENSOR_SHAPE"].inline_text() == "[4, 26, 48]");
  const Configuration nested =
      load_python(hybrid + "CONFIG = dict(NUM_MICRO_BATCHES=2)\nNUM_CHUNKS = None\n", {}, "vit_cifar10");
  CHECK((nested.pipeline.micro_batches == 2 && nested.pipeline.chunks == 1));
  CHECK_THAT(python_problem(old_model + "CONFIG = dict(parallel=dict(pipeline=2))\n"),
             Contains("run.py:13:38: NUM_MICRO_BATCHES: is missing"));
}

TEST_CASE("a recipe supplies the components of a file of hyper-parameters", "[config]") {
  setenv("DATA", "/data/cifar", 1);
  const std::string sizes =
      "BATCH_SIZE = 8\nHIDDEN_SIZE, NUM_HEADS, DEPTH = 48, 6, 2\nIMG_SIZE, PATCH_SIZE = 40, 8\nLEARNING_RATE = 1e-3\n"
      "NUM_EPOCHS = 10\nWARMUP_EPOCHS = NUM_EPOCHS // 3\nSEQ_LENGTH = (IMG_SIZE // PATCH_SIZE) ** 2 + 1\n";
  CHECK(python_problem(sizes) ==
        "run.py: this file has hyper-parameters only, no model, train_data, loss and optimizer; expected these, or "
        "--recipe vit_cifar10|gpt2, which makes them from names such as HIDDEN_SIZE");
  const Configuration run = load_python(sizes, {"DEPTH=3"}, "vit_cifar10");
  CHECK(run.root.at("model.hidden_size").integer() == 48);
  CHECK(run.root.at("model.depth").integer() == 3);
  CHECK(run.root.at("model.dropout").real() == 0.1);  // the tutorial's
  CHECK(run.root.at("optimizer").inline_text() ==
        "{type: AdamW, lr: 0.001, betas: [0.9, 0.999], eps: 1e-08, weight_decay: 0.3, amsgrad: false}");
  CHECK(run.root.at("lr_scheduler").inline_text() ==
        "{type: CosineAnnealingWarmupLR, total_steps: 10, warmup_steps: 3, eta_min: 0.0, by_epoch: true}");
  CHECK(run.root.at("train_data.dataset.root").text() == "/data/cifar");
  CHECK(run.root.at("train_data.dataset.transform_pipeline.0.padding").inline_text() == "[8]");
  REQUIRE(run.warnings.size() == 2);
  CHECK_THAT(run.warnings[0], Contains("--recipe vit_cifar10: without the tutorial's AutoAugment"));
  CHECK_THAT(run.warnings[1], Contains("SEQ_LENGTH: nothing uses this variable"));
  // What the file says itself stays.
  CHECK(load_python(sizes + "optimizer = dict(type='SGD')\n", {}, "vit_cifar10").root.at("optimizer.type").text() ==
        "SGD");
  CHECK_THAT(python_problem(sizes, {}, "vit"), Contains("--recipe: 'vit': expected vit_cifar10|gpt2"));
  unsetenv("DATA");
}

TEST_CASE("the recipe of GPT-2 makes its components of the tutorial's names", "[config]") {
  setenv("DATA", "/data/webtext.json", 1);
  setenv("TOKENIZER", "/data/gpt2", 1);
  const std::string sizes = "BATCH_SIZE = 8\nSEQ_LEN = 512\nHIDDEN_SIZE, NUM_HEADS, DEPTH = 48, 6, 2\n";
  const Configuration run = load_python(sizes, {}, "gpt2");
  CHECK(run.root.at("model").inline_text() ==
        "{type: gpt2, preset: gpt2_small, vocab_size: 50257, max_position_embeddings: 512, hidden_size: 48, depth: 2, "
        "num_heads: 6, mlp_ratio: 4.0, dropout: 0.0, attention_dropout: 0.0, embed_dropout: 0.0, tie_word_embeddings: "
        "true, layer_norm_epsilon: 1e-05, init_from: null}");
  CHECK(run.root.at("train_data.dataset.type").text() == "WebtextDataset");
  CHECK(run.root.at("train_data.dataset.seq_len").integer() == 512);
  CHECK(run.root.at("train_data.dataset.tokenizer.file").text() == "/data/gpt2");
  CHECK(run.root.at("optimizer.lr").real() == 1.5e-4);
  CHECK(run.warnings.empty());
  // Samples that are made up need neither of the two.
  unsetenv("DATA");
  unsetenv("TOKENIZER");
  const std::string made_up = "train_data={dataset: {type: SyntheticDataset, vocab_size: 61, seq_len: 512}}";
  const Setting root = load_python(sizes + "loss = dict(type='GPTLMLoss')\n", {made_up}, "gpt2").root;
  CHECK(root.at("train_data.dataset.type").text() == "SyntheticDataset");
  CHECK(root.at("loss.type").text() == "CrossEntropyLoss");
}
