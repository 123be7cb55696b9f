// From the text of a configuration to batches: the resolved configuration is what datasets and pipelines take.
#include "fixtures.h"
#include "runtime/config/load.h"
#include "runtime/data/loader.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::StartsWith;

namespace {

Configuration configuration(const std::string& dataset) {
  return load_configuration_text(
      "GLOBAL_BATCH_SIZE: 4\nNUM_EPOCHS: 1\nmodel: {type: mlp, dims: [12, 10]}\n"
      "optimizer: {type: SGD, lr: 0.1}\nloss: {type: CrossEntropyLoss}\n"
      "train_data:\n  dataset: " +
          dataset + "\n",
      "job.yaml");
}

}  // namespace

TEST_CASE("A configured dataset with a pipeline is loaded") {
  const TemporaryFolder folder;
  Bytes records(2 * 3073, 255);
  records[0] = 3, records[3073] = 9;
  write_file(folder.path() / "data_batch_1.bin", records);
  const Configuration job =
      configuration("{type: CIFAR10Dataset, root: " + folder.path().string() +
                    ", transform_pipeline: [{type: RandomCrop, size: 2, padding: 4}, {type: Resize, size: [2, 2]}, "
                    "ToTensor, {type: Normalize, mean: [0.5, 0.5, 0.5], std: 0.5}]}");
  const Setting& setting = job.root.at("train_data.dataset");
  const auto dataset = open_dataset(setting, "train_data.dataset");
  const TransformPipeline transforms(*dataset, setting, "train_data.dataset", 1);
  CHECK(transforms.output_shape() == std::vector<std::int64_t>{3, 2, 2});
  Loader loader(*dataset, transforms, {.batch_size = 4}, {{FeedField::labels, 0, 4, DType::i32}}, 1);
  const Batch& batch = loader.next();
  CHECK(std::vector<std::int32_t>(batch.data<std::int32_t>(0), batch.data<std::int32_t>(0) + 4) ==
        std::vector<std::int32_t>{3, 9, -1, -1});
}

TEST_CASE("Problems with configured data are told at their place in the file") {
  const auto problem = [](const std::string& dataset) {
    return usage_message([&] {
      const Configuration job = configuration(dataset);
      const Setting& setting = job.root.at("train_data.dataset");
      const auto opened = open_dataset(setting, "train_data.dataset");
      TransformPipeline(*opened, setting, "train_data.dataset", 1);
    });
  };
  CHECK_THAT(problem("{type: CIFAR10Dataset, root: /nonexistent}"),
             StartsWith("job.yaml:7:41: train_data.dataset.root: '/nonexistent': no such folder"));
  CHECK_THAT(problem("{type: SyntheticDataset, shape: [3, 4]}"),
             StartsWith("job.yaml:7:44: train_data.dataset.shape: [3, 4]: expected [channels, height, width]"));

  const TemporaryFolder folder;
  write_file(folder.path() / "data_batch_1.bin", Bytes(3073));
  const std::string images = "{type: CIFAR10Dataset, root: " + folder.path().string();
  CHECK_THAT(problem(images + "}"),
             StartsWith("job.yaml:7:") && Catch::Contains("transform_pipeline: expected ToTensor"));
  CHECK_THAT(problem(images + ",\n    transform_pipeline: [ToTensor, {type: RandomCrop, size: 2}]}"),
             StartsWith("job.yaml:8:36: train_data.dataset.transform_pipeline.1: RandomCrop works on 8-bit images"));
}
