// The table's top level: the run, its parallel sizes, and where the components stand.
#include "runtime/config/pipeline_sizes.h"
#include "runtime/config/run_sizes.h"
#include "runtime/config/schema.h"

namespace ctrain {
namespace {

Type parallel_type() {
  const Field data = {"data", nullable(integer(1)), "null",
                      "data-parallel ranks; null: inferred from the number of ranks"};
  const Field stages = {"size", integer(1), "1", "stages; over 1 with NUM_MICRO_BATCHES"};
  const Field schedule = {"schedule", nullable(registered_choice(pipeline_schedules)), "null",
                          "the order of work; null: `1f1b`, or `interleaved` where NUM_CHUNKS is over 1"};
  const Field partition = {"partition", choice({"uniform", "balanced", "balanced_flops", "customized"}), "uniform",
                           "how blocks become stages: as many each (the last take a remainder), balanced by "
                           "parameters, by FLOPs, or `cuts`"};
  const Field cuts = {"cuts", list_of(integer(1)), "[]",
                      "of `customized`: the first block of every part of the model but the first"};
  const Field scatter_gather = {"scatter_gather",
                                boolean(),
                                "true",
                                "under `1d` each rank sends its part of what all of its tensor group have",
                                {"scatter_gather_tensors"}};
  const Field pipeline = {"pipeline", mapping({stages, schedule, partition, cuts, scatter_gather}, "size"), "{}",
                          "stages of the model's blocks: a size, or a mapping"};
  const Field size = {
      "size", integer(1), "1",
      "ranks that share one replica's tensors: a square with `2d`, depth times a square with `2.5d`, a cube with `3d`"};
  const Field mode = {"mode", nullable(registered_choice(tensor_modes)), "null",
                      "how tensors are split; required when size is over 1"};
  const Field depth = {"depth", nullable(integer(1)), "null", "layers of `2.5d`, each a square of ranks"};
  const Field tensor = {"tensor", mapping({size, mode, depth}, "size"), "{}", "tensor parallelism"};
  const Field moe = later("moe", mapping({{"size", integer(1), "1", ""}}, "size"), {}, {"1", "{size: 1}"});
  return mapping({data, pipeline, tensor, moe});
}

Type dataloader_type() {
  return mapping({
      {"batch_size", nullable(integer(1)), "null",
       "samples of a step per data-parallel rank; must agree with BATCH_SIZE"},
      {"shuffle", boolean(), "false", "a new order of the samples in every epoch"},
      {"drop_last", boolean(), "false", "leave out a last batch that is not full"},
      {"num_workers", integer(0, 256), "1",
       "threads of a rank that prepare batches ahead; 0: the training thread does"},
      {"pin_memory", boolean(), "false", "page-locked memory for copies to a GPU; nothing on the CPU"},
  });
}

Type data_type() {
  return mapping({
      {"dataset", component("dataset"), required, "where the samples come from"},
      {"dataloader", dataloader_type(), "{}", "how they are batched"},
  });
}

Type checkpoints_type() {
  return mapping({
      {"every", nullable(integer(1)), "null", "save every so many optimizer steps (null: not by steps)"},
      {"keep_last", nullable(integer(1)), "null", "how many of the newest checkpoints stay (null: all)"},
      {"keep_every", nullable(integer(1)), "null", "checkpoints at multiples of so many steps always stay"},
  });
}

// Documented keys that later versions build. An empty mapping type takes any mapping, since it is refused by its name
// anyway.
std::vector<Field> later_fields() {
  const Type any_mapping = mapping({});
  const Type flag = boolean(), count = integer(1), size = real(0);
  return {
      later("fp16", any_mapping, {}, {"{mode: null}"}),
      later("clip_grad_norm", size, {}, {"0", "0.0"}),
      later("clip_grad_value", size, {}, {"0", "0.0"}),
      later("zero", any_mapping),
      later("gemini", any_mapping),
      later("plugin", text()),
      later("torch_ddp", any_mapping, {}, {"{}"}),
      later("nvme_offload_fraction", real(0, 1), {}, {"0", "0.0"}),
      later("nvme_offload_dir", text()),
      later("memory", any_mapping, {}, {"{}"}),
      later("activation_memory", text()),
      later("activation_checkpoint", flag, {"CHECKPOINT", "checkpoint"}, {"false"}),
      later("max_ep_size", count, {}, {"1"}),
      later("max_time", text()),
      later("cudnn_benchmark", flag, {}, {"false"}),
      later("cudnn_deterministic", flag, {}, {"false"}),
      later("logging", any_mapping),
  };
}

std::vector<Field> make_root_fields() {
  std::vector<Field> fields = {
      {"parallel", parallel_type(), "{}", "how many ranks share the work, and how"},
      {"dtype", choice({"fp32", "fp64"}), "fp32", "precision; fp64 runs the reference kernels, for checking"},
      {"mixed_precision", choice({"bf16"}, {"fp16", "fp16_naive", "fp16_apex", "fp8"}), absent,
       "a shorter type for activations; parameters, their gradients, optimizer states and losses stay fp32"},
      {"allow_tf32", boolean(), "false",
       "on GPUs, round the operands of fp32 products to TF32, which has 10 bits of mantissa; PyTorch's flag"},
      {"cuda_graph", boolean(), "true", "on GPUs, record a step once as a CUDA graph and replay it"},
      {"SEED",
       integer(0, std::numeric_limits<double>::infinity()),
       "1024",
       "of all randomness and of the data order",
       {"seed"}},
      {"NUM_EPOCHS", integer(1), "1", "passes over the training data", {"num_epochs"}},
      {"BATCH_SIZE", nullable(integer(1)), "null", "samples of a step per data-parallel rank", {"batch_size"}},
      {"GLOBAL_BATCH_SIZE",
       nullable(integer(1)),
       "null",
       "samples of a step in all; instead of BATCH_SIZE",
       {"global_batch_size"}},
      {"gradient_accumulation", integer(1), "1", "batches whose gradients add up to one optimizer step"},
      {"NUM_MICRO_BATCHES",
       nullable(integer(1)),
       "null",
       "parts of a data-parallel rank's batch that go through the pipeline one after the other",
       {"num_micro_batches"}},
      {"NUM_CHUNKS",
       nullable(integer(1)),
       "null",
       "parts of the model on each stage, over 1: interleaved; `model.num_chunks` is the same key",
       {"num_chunks"}},
      {"TENSOR_SHAPE",
       nullable(list_of(integer(1), 1)),
       "null",
       "of what one stage hands to the next for a micro-batch; known anyway, and compared",
       {"tensor_shape"}},
      {"model", component("model"), required, "what is trained"},
      {"train_data", data_type(), required, "training samples"},
      {"test_data", data_type(), absent, "test samples"},
      {"loss", component("loss"), required, "what is minimised"},
      {"optimizer", component("optimizer"), required, "how parameters are updated"},
      {"lr_scheduler", component("lr_scheduler"), absent, "the learning rate over time; constant when left out"},
      {"hooks", list_of(component("hook")), "[]", "what happens around steps and epochs"},
      {"gradient_handler",
       list_of(component("gradient_handler")),
       "[]",
       "what becomes of gradients before the optimizer takes them",
       {"gradient_handlers"}},
      {"libraries", list_of(text()), "[]", "shared libraries with modes, gradient handlers, ops ... of your own"},
      {"test_interval", integer(1), "1", "evaluate on test_data after every so many epochs"},
      {"peak_flops", nullable(real(1)), "null",
       "operations a second that one rank's device can do, for `mfu` in metrics.jsonl: 3 F / (seconds * ranks * "
       "peak_flops), F = the forward products' 2 M N K, causal attention counted as half; `mfu_full_attention` counts "
       "it in full, `mfu_with_recompute` is 4/3 of that; null: no mfu"},
      {"display_progress", boolean(), "true", "a progress bar on a terminal"},
      {"layout",
       map_of(mapping(
           {{"split", nullable(integer(-8, 7)), required,
             "dimension of the public shape that all tensor ranks share (negative: from the end); null: whole"}})),
       "{}",
       "wanted layouts of parameters by name pattern (`*` is any text), instead of the mode's; the first that fits "
       "counts"},
      {"checkpoints", checkpoints_type(), absent, "saving by steps (SaveCheckpointHook saves by epochs)"},
  };
  for (Field& field : later_fields()) fields.push_back(std::move(field));
  return fields;
}

}  // namespace

const std::vector<Field>& root_fields() {
  static const std::vector<Field> fields = make_root_fields();
  return fields;
}

const std::vector<std::string>& documented_variables() {
  static const std::vector<std::string> names = {"DATA_PATH",
                                                 "DECAY_ITERS",
                                                 "DEPTH",
                                                 "DIM",
                                                 "DROP_RATE",
                                                 "EVAL_INTERVAL",
                                                 "EVAL_ITERS",
                                                 "HIDDEN_SIZE",
                                                 "IMG_SIZE",
                                                 "LEARNING_RATE",
                                                 "LOG_PATH",
                                                 "LR",
                                                 "MEAN",
                                                 "MIN_LR",
                                                 "MLP_RATIO",
                                                 "NUM_ATTENTION_HEADS",
                                                 "NUM_CLASSES",
                                                 "NUM_HEADS",
                                                 "PATCH_SIZE",
                                                 "SEQ_LEN",
                                                 "SEQ_LENGTH",
                                                 "STD",
                                                 "SUMMA_DIM",
                                                 "TRAIN_ITERS",
                                                 "VOCAB_FILE_PATH",
                                                 "WARMUP_EPOCHS",
                                                 "WARMUP_FRACTION",
                                                 "WARMUP_STEPS",
                                                 "WEIGHT_DECAY"};
  return names;
}

}  // namespace ctrain
