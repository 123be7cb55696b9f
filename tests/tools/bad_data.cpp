// The main job's statement 6, files: data sets that are missing, cut or wrong, and checkpoints that are no checkpoints.
#include <catch2/catch.hpp>

#include "program.h"

namespace ctrain {
namespace {

// An IDX file of unsigned bytes.
std::string idx(const std::vector<int>& extents, const std::string& elements) {
  std::string file = {0, 0, 8, static_cast<char>(extents.size())};
  for (const int extent : extents) file += {0, 0, static_cast<char>(extent >> 8), static_cast<char>(extent & 255)};
  return file + elements;
}

constexpr int images = 8;

// small_vit() on the IDX files of the folder `data`, which hold `images` images of 8x8 with label 3.
std::string on_idx_files(const Workplace& place) {
  for (const char* split : {"train", "t10k"}) {
    place.write(std::string("data/") + split + "-images-idx3-ubyte", idx({images, 8, 8}, std::string(images * 64, 7)));
    place.write(std::string("data/") + split + "-labels-idx1-ubyte", idx({images}, std::string(images, 3)));
  }
  std::string config = small_vit();
  for (int split = 0; split < 2; ++split)
    config = with(config, "SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 8",
                  "MNISTDataset, root: data, transform_pipeline: [ToTensor]");
  return config;
}

TEST_CASE("IDX files that are missing, cut or wrong") {
  const Workplace place;
  place.write("config.yaml", on_idx_files(place));
  REQUIRE(place.run({"--config", "config.yaml", "--output", "run"}).exit_code == 0);
  const auto refused = [&](const std::vector<std::string>& parts) {
    std::vector<std::string> all = {"config.yaml:13:39: train_data.dataset.root: "};
    all.insert(all.end(), parts.begin(), parts.end());
    check_refused(place, {"--config", "config.yaml", "--output", "other"}, all);
  };
  SECTION("images cut") {
    place.write("data/train-images-idx3-ubyte", idx({images, 8, 8}, std::string(images * 64 - 1, 7)));
    refused({"train-images-idx3-ubyte", "truncated", "expected 528 bytes, found 527"});
  }
  SECTION("header cut") {
    place.write("data/train-images-idx3-ubyte", idx({images}, ""));
    refused({"train-images-idx3-ubyte"});
  }
  SECTION("label out of range") {
    place.write("data/train-labels-idx1-ubyte", idx({images}, std::string(images - 1, 3) + '\x0A'));
    refused({"train-labels-idx1-ubyte", "label 10 of sample 7 is out of range: expected 0 to 9"});
  }
  SECTION("fewer labels than images") {
    place.write("data/train-labels-idx1-ubyte", idx({images - 1}, std::string(images - 1, 3)));
    refused({"8 images", "7 labels"});
  }
  SECTION("a file is missing") {
    std::filesystem::remove(place.path() / "data/train-labels-idx1-ubyte");
    refused({"files are missing", "train-labels-idx1-ubyte"});
  }
}

TEST_CASE("A missing data folder names the package or the address that brings it") {
  const Workplace place;
  const std::string config = small_vit(), synthetic = "SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 8";
  place.write("fashion.yaml",
              with(config, synthetic, "FashionMNISTDataset, root: nowhere, transform_pipeline: [ToTensor]"));
  check_refused(place, {"--config", "fashion.yaml"},
                {"fashion.yaml:13:46: train_data.dataset.root: 'nowhere'", "apt install dataset-fashion-mnist"});
  place.write("cifar.yaml", with(config, synthetic, "CIFAR10Dataset, root: nowhere, transform_pipeline: [ToTensor]"));
  check_refused(place, {"--config", "cifar.yaml"},
                {"cifar.yaml:13:41: train_data.dataset.root: 'nowhere'", "https://", "md5"});
}

TEST_CASE("CIFAR-10 files that are cut or wrong") {
  const Workplace place;
  place.write("config.yaml", with(small_vit(), "SyntheticDataset, shape: [1, 8, 8], num_classes: 10, size: 8",
                                  "CIFAR10Dataset, root: data, transform_pipeline: [ToTensor]"));
  const std::string record = std::string(1, 9) + std::string(3072, 7);
  const std::string where = "config.yaml:13:41: train_data.dataset.root: data";
  place.write("data/data_batch_1.bin", record + record.substr(0, 100));
  check_refused(place, {"--config", "config.yaml"},
                {where, "data_batch_1.bin: truncated: record 1 has 100 bytes, expected 3073"});
  place.write("data/data_batch_1.bin", record + std::string(1, 10) + record.substr(1));
  check_refused(place, {"--config", "config.yaml"}, {where, "label 10 of record 1 is out of range: expected 0 to 9"});
}

TEST_CASE("Checkpoints: trained, evaluated, gone on with, missing, damaged") {
  const Workplace place;
  place.write("config.yaml", small_vit());
  const Ended trained =
      place.run({"--config", "config.yaml", "--output", "run", "--steps", "1", "--set", "checkpoints.every=1"});
  INFO(trained.error);
  REQUIRE(trained.exit_code == 0);
  const std::string checkpoint = "run/checkpoints/step_1";

  const Ended evaluated = place.run({"eval", "--config", "config.yaml", "--checkpoint", checkpoint});
  CHECK(evaluated.exit_code == 0);
  CHECK_THAT(evaluated.output, Catch::Matchers::StartsWith("{\"kind\":\"eval\"") &&
                                   Catch::Matchers::Contains("\"accuracy\":") && Catch::Matchers::EndsWith("}\n"));

  check_refused(place, {"--config", "config.yaml", "--output", "run"}, {"run", "--resume", "--overwrite"});
  check_refused(place, {"eval", "--config", "config.yaml", "--checkpoint", "run/checkpoints/step_7"}, {"step_7"});
  check_refused(place, {"--config", "config.yaml", "--output", "other", "--resume", "run/checkpoints/step_7"},
                {"step_7"});
  CHECK(place.run({"--config", "config.yaml", "--output", "run", "--resume", "auto"}).exit_code == 0);

  const std::vector<std::string> go_on = {"--config", "config.yaml", "--output", "other", "--resume", checkpoint};
  std::vector<std::string> deeper = go_on;
  deeper.insert(deeper.end(), {"--set", "model.depth=2"});
  check_refused(place, deeper, {"model.safetensors", "is of another model", "is missing"});

  std::string weights = place.read(checkpoint + "/model.safetensors");
  weights.back() = static_cast<char>(weights.back() ^ 1);
  place.write(checkpoint + "/model.safetensors", weights);
  check_refused(place, {"eval", "--config", "config.yaml", "--checkpoint", checkpoint}, {"model.safetensors"});
  check_refused(place, go_on, {"model.safetensors", "has changed"});
  place.write(checkpoint + "/manifest.json", "{");
  check_refused(place, go_on, {"manifest.json: not a usable manifest"});
}

}  // namespace
}  // namespace ctrain
