#include "runtime/config/recipes.h"

#include "memory/error.h"
#include "runtime/config/schema.h"
#include "runtime/config/yaml_reader.h"

namespace ctrain {
namespace {

// "Accelerate ViT training step by step", the hybrid-parallel part. The tutorial crops 224 x 224 out of the image
// padded on all sides to be larger (pad_if_needed): for CIFAR-10's 32 x 32 that is a padding of 224 - 32.
constexpr const char* vit_cifar10 = R"(
DROP_RATE: 0.1
LEARNING_RATE: 3.0e-3
WEIGHT_DECAY: 0.3
WARMUP_EPOCHS: 32
NUM_EPOCHS: 300
BATCH_SIZE: 256
IMG_SIZE: 224
PATCH_SIZE: 16
HIDDEN_SIZE: 768
DEPTH: 12
NUM_HEADS: 12
MLP_RATIO: 4
NUM_CLASSES: 10
MEAN: [0.4914, 0.4822, 0.4465]
STD: [0.2023, 0.1994, 0.2010]
model:
  type: vit
  img_size: ${IMG_SIZE}
  patch_size: ${PATCH_SIZE}
  hidden_size: ${HIDDEN_SIZE}
  depth: ${DEPTH}
  num_heads: ${NUM_HEADS}
  mlp_ratio: ${MLP_RATIO}
  num_classes: ${NUM_CLASSES}
  dropout: ${DROP_RATE}
train_data:
  dataset:
    type: CIFAR10Dataset
    root: ${env:DATA}
    transform_pipeline:
      - {type: RandomCrop, size: ${IMG_SIZE}, padding: ${IMG_SIZE - 32}}
      - {type: ToTensor}
      - {type: Normalize, mean: ${MEAN}, std: ${STD}}
  dataloader: {shuffle: true, pin_memory: true}
test_data:
  dataset:
    type: CIFAR10Dataset
    root: ${env:DATA}
    transform_pipeline:
      - {type: Resize, size: ${IMG_SIZE}}
      - {type: ToTensor}
      - {type: Normalize, mean: ${MEAN}, std: ${STD}}
  dataloader: {pin_memory: true}
loss: {type: CrossEntropyLoss, label_smoothing: 0.1}
optimizer: {type: AdamW, lr: ${LEARNING_RATE}, weight_decay: ${WEIGHT_DECAY}}
lr_scheduler:
  {type: CosineAnnealingWarmupLR, total_steps: ${NUM_EPOCHS}, warmup_steps: ${WARMUP_EPOCHS}, by_epoch: true}
hooks:
  - {type: LossHook}
  - {type: AccuracyHook}
  - {type: LogMetricByEpochHook}
  - {type: LRSchedulerHook, by_epoch: true}
)";

// "Train GPT using hybrid parallelism". Its vocabulary is padded to 50304 so that it divides; here no size of it has
// to. TOKENIZER is a folder with GPT-2's vocab.json and merges.txt.
constexpr const char* gpt2 = R"(
LEARNING_RATE: 1.5e-4
WEIGHT_DECAY: 1.0e-2
NUM_EPOCHS: 60
BATCH_SIZE: 192
SEQ_LEN: 1024
HIDDEN_SIZE: 1600
DEPTH: 48
NUM_HEADS: 32
MLP_RATIO: 4
DROP_RATE: 0.0
model:
  type: gpt2
  hidden_size: ${HIDDEN_SIZE}
  depth: ${DEPTH}
  num_heads: ${NUM_HEADS}
  mlp_ratio: ${MLP_RATIO}
  max_position_embeddings: ${SEQ_LEN}
  dropout: ${DROP_RATE}
  attention_dropout: ${DROP_RATE}
  embed_dropout: ${DROP_RATE}
train_data:
  dataset:
    type: WebtextDataset
    path: ${env:DATA}
    seq_len: ${SEQ_LEN}
    tokenizer: ${env:TOKENIZER}
    packing: false
  dataloader: {shuffle: true, drop_last: true, pin_memory: true}
loss: CrossEntropyLoss
optimizer: {type: Adam, lr: ${LEARNING_RATE}, weight_decay: ${WEIGHT_DECAY}}
hooks:
  - {type: LossHook}
  - {type: LogMetricByEpochHook}
  - {type: ThroughputHook}
  - {type: LogMetricByStepHook}
)";

bool has_under_any_name(const Setting& root, const Field* field, std::string_view name) {
  for (const Setting::Member& member : root.members())
    if (member.first == name || (field != nullptr && find_field(root_fields(), member.first) == field)) return true;
  return false;
}

}  // namespace

void add_recipe(Setting& root, const std::string& recipe, std::vector<std::string>& warnings) {
  if (recipe != "vit_cifar10" && recipe != "gpt2")
    throw usage_error("--recipe: '{}': expected {}", recipe, recipe_names);
  if (root.kind() != Setting::Kind::mapping) return;  // the table says so
  Problems problems;
  const Setting added = read_yaml(recipe == "gpt2" ? gpt2 : vit_cifar10, "--recipe " + recipe, problems);
  problems.throw_if_any();
  for (const auto& [name, value] : added.members())
    if (!has_under_any_name(root, find_field(root_fields(), name), name)) root.set(name, value);
  if (recipe == "vit_cifar10")
    warnings.emplace_back(
        "--recipe vit_cifar10: without the tutorial's AutoAugment and its init_method jax, which are not built yet in "
        "this version");
}

bool has_hyper_parameters_only(const Setting& root) {
  return !root.has("model") && !root.has("train_data") && !root.has("loss") && !root.has("optimizer");
}

}  // namespace ctrain
