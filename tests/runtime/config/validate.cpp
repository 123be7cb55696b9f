// What no key can tell alone: parallel sizes, divisibility, keys that must agree.
#include "runtime/config/validate.h"

#include <catch2/catch.hpp>

#include "tests/runtime/config/config_text.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using ctrain::test::load;
using ctrain::test::problem;

TEST_CASE("mixed precision goes with fp32", "[config]") {
  CHECK(load("mixed_precision: bf16\n").root["mixed_precision"].text() == "bf16");
  CHECK(problem("dtype: fp64\nmixed_precision: bf16\n") ==
        "run.yaml:7:18: mixed_precision: 'bf16': expected dtype: fp32, not fp64");
}

TEST_CASE("the sizes of a run follow from the configuration and the ranks", "[config]") {
  const Configuration serial = load("");
  CHECK((serial.data == 1 && serial.tensor == 1 && serial.tensor_mode.empty() && serial.head_ways == 1));
  CHECK((serial.global_batch == 24 && serial.batch_per_data_rank == 24 && serial.world_size() == 1));

  const Configuration grid = load("parallel: {tensor: {size: 4, mode: 2d}}\n", {}, 8);
  CHECK((grid.data == 2 && grid.tensor == 4 && grid.tensor_mode == "2d" && grid.head_ways == 2 &&
         grid.world_size() == 8));
  CHECK((grid.global_batch == 24 && grid.batch_per_data_rank == 12));
  CHECK(grid.root.at("parallel.data").integer() == 2);
  CHECK(grid.root.at("train_data.dataloader.batch_size").integer() == 12);
  CHECK((grid.root["BATCH_SIZE"].is_null() && grid.root["GLOBAL_BATCH_SIZE"].integer() == 24));

  const Configuration lines = load("parallel: {data: 3, tensor: {size: 2, mode: 1d}, pipeline: 1}\n");
  CHECK((lines.data == 3 && lines.tensor_mode == "1d" && lines.batch_ways == 1 && lines.world_size() == 6));
  CHECK(load("parallel: {tensor: 1}\n", {}, 4).data == 4);
  CHECK(load("parallel: {tensor: {size: 1, mode: 2d}}\n").tensor_mode.empty());
}

TEST_CASE("batch sizes", "[config]") {
  const std::vector<std::string> local = {"GLOBAL_BATCH_SIZE=", "BATCH_SIZE=6"};
  const Configuration run = load("parallel: {data: 4}\n", local);
  CHECK((run.global_batch == 24 && run.batch_per_data_rank == 6));
  CHECK(load("", {"GLOBAL_BATCH_SIZE=", "train_data.dataloader.batch_size=5"}).root["BATCH_SIZE"].integer() == 5);
  CHECK(problem("BATCH_SIZE: 4\n") ==
        "run.yaml:5:20: GLOBAL_BATCH_SIZE: '24': expected either BATCH_SIZE (at run.yaml:6:13) or GLOBAL_BATCH_SIZE, "
        "not both");
  CHECK(problem("", {"GLOBAL_BATCH_SIZE="}) ==
        "run.yaml:1:1: BATCH_SIZE: is missing; expected BATCH_SIZE or GLOBAL_BATCH_SIZE, an integer >= 1");
  CHECK(problem("parallel: {data: 5}\n") ==
        "run.yaml:5:20: GLOBAL_BATCH_SIZE: '24': expected a multiple of 5 (5 data-parallel ranks); nearest 20 and 25");
  CHECK(problem("parallel: {data: 5, tensor: {size: 4, mode: 2d}}\n") ==
        "run.yaml:5:20: GLOBAL_BATCH_SIZE: '24': expected a multiple of 10 (5 data-parallel ranks; mode 2d over 4 "
        "ranks splits "
        "the batch of a data-parallel rank 2 ways); nearest 20 and 30");
  CHECK(problem("parallel: {tensor: {size: 4, mode: 2d}}\n", {"GLOBAL_BATCH_SIZE=", "BATCH_SIZE=1"}) ==
        "--set: BATCH_SIZE: '1': expected a multiple of 2 (mode 2d over 4 ranks splits the batch of a data-parallel "
        "rank 2 "
        "ways); nearest 2");
  CHECK(problem("test_data: {dataset: {type: SyntheticDataset, shape: [1]}, dataloader: {batch_size: 7}}\n") ==
        "run.yaml:6:85: test_data.dataloader.batch_size: '7': expected 24, the batch of a data-parallel rank");
}

TEST_CASE("a tensor size over 1 must give a mode that is known and fits", "[config]") {
  const std::string must = "expected {size: 4, mode: ...}: must give mode, one of 1d, 2.5d, 2d, 3d, sequence";
  CHECK(problem("parallel: {tensor: 4}\n") == "run.yaml:6:20: parallel.tensor: '4': " + must);
  CHECK(problem("parallel: {tensor: {size: 4}}\n") == "run.yaml:6:27: parallel.tensor: '4': " + must);
  CHECK(problem("parallel: {tensor: {size: 4, mode: 4d}}\n") ==
        "run.yaml:6:36: parallel.tensor.mode: '4d': expected one of 1d, 2.5d, 2d, 3d, sequence or null; "
        "did you mean '1d'?");
  CHECK(problem("parallel: {tensor: {size: 5, mode: 2d}}\n") ==
        "run.yaml:6:27: parallel.tensor.size: '5': expected a square number under mode 2d; nearest 4 and 9");
}

TEST_CASE("sizes of 2.5d, 3d and of modes without a square", "[config]") {
  CHECK(problem("parallel: {tensor: {size: 6, mode: 2.5d, depth: 2}}\n") ==
        "run.yaml:6:27: parallel.tensor.size: '6': expected depth times a square number under mode 2.5d and depth 2; "
        "nearest 2 and 8");
  CHECK(problem("parallel: {tensor: {size: 9, mode: 3d}}\n") ==
        "run.yaml:6:27: parallel.tensor.size: '9': expected a cubic number under mode 3d; nearest 8 and 27");
  CHECK(problem("parallel: {tensor: {size: 4, mode: 2d, depth: 2}}\n") ==
        "run.yaml:6:47: parallel.tensor.depth: '2': expected 1 under mode 2d: depth belongs to 2.5d");
  CHECK(problem("parallel: {tensor: {size: 8, mode: 2.5d, depth: 2}}\n").empty());
  CHECK(problem("parallel: {tensor: {size: 4, mode: sequence}}\n").empty());
  CHECK(
      problem("parallel: {tensor: {size: 2, mode: sequence}}\n", {"model={type: mlp, dims: [3072, 32, 10]}"}) ==
      "run.yaml:6:36: parallel.tensor.mode: 'sequence': expected another mode: sequence splits tokens, and an mlp has "
      "none");
  // All at once, each with the mode's rule.
  CHECK(
      problem("parallel: {tensor: {size: 27, mode: 3d}}\n", {"GLOBAL_BATCH_SIZE=10"}) ==
      "3 problems in the configuration:\n"
      "  run.yaml:1:8: model.mlp_ratio: '4.0': expected hidden_size * mlp_ratio, here 192, to be a multiple of 9 (mode "
      "3d over 27 ranks splits widths 9 ways); nearest 189 and 198\n"
      "  run.yaml:1:62: model.hidden_size: '48': expected a multiple of 18 (6 heads; mode 3d over 27 ranks splits "
      "widths 9 ways); nearest 36 and 54\n"
      "  --set: GLOBAL_BATCH_SIZE: '10': expected a multiple of 9 (1 data-parallel ranks; mode 3d over 27 ranks "
      "splits the batch of a data-parallel rank 9 ways); nearest 9 and 18");
}

TEST_CASE("the number of ranks must fit", "[config]") {
  CHECK(problem("parallel: {tensor: {size: 4, mode: 2d}}\n", {}, 6) ==
        "run.yaml:6:27: parallel.tensor.size: '4': expected pipeline * tensor, 1 * 4, to be a divisor of the number of "
        "ranks, 6; nearest numbers of ranks for these sizes: 4 and 8");
  CHECK(problem("parallel: {data: 3, tensor: {size: 4, mode: 2d}}\n", {}, 8) ==
        "run.yaml:6:18: parallel.data: '3': expected data * pipeline * tensor to be the number of ranks, 8, but 3 * "
        "1 * 4 is 12");
  CHECK(problem("parallel: {data: 2, tensor: {size: 4, mode: 2d}}\n", {}, 8).empty());
}

TEST_CASE("heads and widths must divide as the mode splits them", "[config]") {
  CHECK(problem("parallel: {tensor: {size: 2, mode: 1d}}\n").empty());
  CHECK(problem("parallel: {tensor: {size: 4, mode: 2d}}\n").empty());
  CHECK(problem("parallel: {tensor: {size: 4, mode: 1d}}\n") ==
        "run.yaml:1:77: model.num_heads: '6': expected a multiple of 4 (mode 1d over 4 ranks splits heads 4 ways); "
        "nearest 4 "
        "and 8");
  CHECK(problem("parallel: {tensor: {size: 9, mode: 2d}}\n", {"model.mlp_ratio=2.5", "model.num_heads=4"}) ==
        "3 problems in the configuration:\n"
        "  run.yaml:1:62: model.hidden_size: '48': expected a multiple of 36 (4 heads; mode 2d over 9 ranks splits "
        "widths 9 "
        "ways); nearest 36 and 72\n"
        "  --set: model.num_heads: '4': expected a multiple of 3 (mode 2d over 9 ranks splits heads 3 ways); nearest 3 "
        "and 6\n"
        "  --set: model.mlp_ratio: '2.5': expected hidden_size * mlp_ratio, here 120, to be a multiple of 9 (mode 2d "
        "over 9 "
        "ranks splits widths 9 ways); nearest 117 and 126");
  CHECK(problem("", {"model.num_heads=5"}) ==
        "run.yaml:1:62: model.hidden_size: '48': expected a multiple of 5 (5 heads); nearest 45 and 50");
  CHECK(problem("", {"model.patch_size=5"}) ==
        "--set: model.patch_size: '5': expected a divisor of img_size, 32; nearest img_size 30 and 35");
  CHECK_THAT(problem("", {"model.mlp_ratio=0.001"}),
             Contains("expected hidden_size * mlp_ratio to be 1 to 10^9, not 0.048"));
  CHECK(problem("parallel: {tensor: {size: 4, mode: 2d}}\n", {"model.representation_size=50"}) ==
        "--set: model.representation_size: '50': expected a multiple of 4 (mode 2d over 4 ranks splits widths 4 ways); "
        "nearest "
        "48 and 52");
  // 144 wide with 24 heads and a batch of 72 fits every mesh that is compared with one rank.
  const std::vector<std::string> fits = {"model.hidden_size=144", "model.num_heads=24", "GLOBAL_BATCH_SIZE=72"};
  for (const char* mesh :
       {"{tensor: {size: 4, mode: 1d}}", "{tensor: {size: 9, mode: 2d}}", "{data: 2, tensor: {size: 4, mode: 2d}}"})
    CHECK(problem(std::string("parallel: ") + mesh + "\n", fits).empty());
}

TEST_CASE("widths of an mlp", "[config]") {
  const std::string grid = "parallel: {tensor: {size: 4, mode: 2d}}\n",
                    line = "parallel: {tensor: {size: 4, mode: 1d}}\n";
  const auto mlp = [](const std::string& dims) {
    return std::vector<std::string>{"model={type: mlp, dims: " + dims + "}"};
  };
  CHECK(problem(grid, mlp("[3072, 30, 10]")) ==
        "--set: model.dims.1: '30': expected a multiple of 4 (mode 2d over 4 ranks splits this width 4 ways); nearest "
        "28 and 32");
  CHECK(problem(grid, mlp("[3070, 32, 10]")).empty());  // the input is split 2 ways, the scores are not
  CHECK_THAT(problem(grid, mlp("[3071, 32, 10]")), Contains("model.dims.0: '3071': expected a multiple of 2"));
  CHECK_THAT(problem(grid, mlp("[3070, 10]")), Contains("model.dims.0: '3070': expected a multiple of 4"));
  CHECK(problem(line, mlp("[3071, 32, 30, 32, 10]")).empty());
  CHECK_THAT(problem(line, mlp("[3071, 30, 10]")), Contains("model.dims.1: '30': expected a multiple of 4"));
  CHECK_THAT(problem(line, mlp("[3071, 32, 30, 10]")), Contains("model.dims.2: '30': expected a multiple of 4"));
  std::vector<std::string> regression = mlp("[3072, 32, 10]");
  regression.insert(regression.end(), {"loss=MSELoss", "train_data.dataset.target_shape=[10]"});
  CHECK_THAT(problem(grid, regression), Contains("model.dims.2: '10': expected a multiple of 4"));
  CHECK(problem(line, regression).empty());
}

TEST_CASE("keys that must agree", "[config]") {
  CHECK(problem("lr_scheduler: {type: LinearWarmupLR, by_epoch: true}\nhooks: [{type: LRSchedulerHook, by_epoch: "
                "false}]\n") ==
        "run.yaml:7:43: hooks.0.by_epoch: 'false': expected true, as lr_scheduler.by_epoch says at run.yaml:6:48");
  CHECK(problem("hooks: [LRSchedulerHook]\n") ==
        "run.yaml:6:9: hooks.0.type: 'LRSchedulerHook': expected an lr_scheduler in the configuration as well");
  CHECK(problem("lr_scheduler: {type: LinearWarmupLR, warmup_steps: 10, total_steps: 10}\n") ==
        "run.yaml:6:52: lr_scheduler.warmup_steps: '10': expected less than total_steps, 10");
  CHECK(problem("", {"loss=MSELoss"}) ==
        "--set: loss.type: 'MSELoss': expected CrossEntropyLoss, since train_data.dataset gives class labels");
  CHECK(problem("", {"train_data.dataset.target_shape=[4]"}) ==
        "run.yaml:3:7: loss.type: 'CrossEntropyLoss': expected MSELoss, since train_data.dataset has a target_shape");
  CHECK_THAT(
      problem("", {"train_data.dataset.target_shape=[4]", "train_data.dataset.num_classes=4", "loss=MSELoss"}),
      Contains("--set: train_data.dataset.target_shape: '[4]': expected either num_classes or target_shape, not both"));

  const std::string hook = "hooks: [{type: LRSchedulerHook, by_epoch: true}]\n";
  const Configuration by_hook = load("lr_scheduler: {type: LinearWarmupLR}\n" + hook);
  CHECK(by_hook.root.at("lr_scheduler.by_epoch").boolean());
  const Configuration by_schedule =
      load("lr_scheduler: {type: LinearWarmupLR, by_epoch: true}\nhooks: [LRSchedulerHook]\n");
  CHECK(by_schedule.root.at("hooks.0.by_epoch").boolean());
}
