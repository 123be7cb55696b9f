#include "fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

// Records with labels first, first + 1 ...; pixel i of a record is i + label.
Bytes records(int count, int first) {
  Bytes bytes;
  for (int n = 0; n < count; ++n) {
    bytes.push_back(static_cast<std::uint8_t>(first + n));
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(i + first + n));
  }
  return bytes;
}

std::unique_ptr<Dataset> open(const fs::path& root, bool train) {
  const Setting setting = mapping(
      {{"type", Setting::of("CIFAR10Dataset")}, {"root", Setting::of(root.string())}, {"train", Setting::of(train)}});
  return open_dataset(setting, "train_data.dataset");
}

}  // namespace

TEST_CASE("CIFAR-10 files are read from the folder or its parent, as many as there are") {
  const TemporaryFolder folder;
  const fs::path inside = folder.path() / "cifar-10-batches-bin";
  write_file(inside / "data_batch_1.bin", records(2, 0));
  write_file(inside / "data_batch_3.bin", records(3, 5));
  write_file(inside / "test_batch.bin", records(1, 9));
  for (const fs::path& root : {folder.path(), inside}) {
    const auto train = open(root, true), test = open(root, false);
    CHECK(train->size() == 5);
    CHECK(test->size() == 1);
    CHECK(train->facts().input_shape == std::vector<std::int64_t>{3, 32, 32});
    CHECK(train->label(1) == 1);
    CHECK(train->label(2) == 5);
    CHECK(test->label(0) == 9);
    Image image;
    train->read_image(4, image);
    CHECK(image.shape == ImageShape{3, 32, 32});
    CHECK(image.row(0, 0)[0] == 7);
    CHECK(image.row(2, 31)[31] == static_cast<std::uint8_t>(3071 + 7));
  }
}

TEST_CASE("Damaged and missing CIFAR-10 files are usage errors that name file and record") {
  const TemporaryFolder folder;
  const auto problem = [&](const Bytes& bytes) {
    write_file(folder.path() / "test_batch.bin", bytes);
    const std::string message = usage_message([&] { open(folder.path(), false); });
    CHECK_THAT(message, StartsWith("job.yaml:9:11: train_data.dataset.root: "));
    return message;
  };
  CHECK_THAT(problem({}), Contains("test_batch.bin: the file is empty"));
  Bytes truncated = records(4, 0);
  truncated.resize(3073 * 3 + 100);
  CHECK_THAT(problem(truncated), Contains("test_batch.bin: truncated: record 3 has 100 bytes, expected 3073"));
  CHECK_THAT(problem(records(4, 7)), Contains("test_batch.bin: label 10 of record 3 is out of range: expected 0 to 9"));
  CHECK_THAT(usage_message([&] { open(folder.path(), true); }),
             Contains("files are missing in this folder") && Contains("data_batch_1.bin to data_batch_5.bin") &&
                 Contains("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz") &&
                 Contains("c32a1d4ab5d03f1284b67883e8d87530"));
  CHECK_THAT(usage_message([&] { open(folder.path() / "nowhere", false); }), Contains("no such folder"));
}

TEST_CASE("The small CIFAR-10 set of the shared data is balanced") {
  const auto root = shared_folder("data/cifar10-mini");
  if (!root) {
    WARN("skipped: the shared data is not there");
    return;
  }
  for (const bool is_train : {true, false}) {
    const auto dataset = open(*root, is_train);
    REQUIRE(dataset->size() == (is_train ? 5000 : 1000));
    std::vector<int> per_class(10);
    for (std::int64_t i = 0; i < dataset->size(); ++i) ++per_class[static_cast<std::size_t>(dataset->label(i))];
    CHECK(per_class == std::vector<int>(10, is_train ? 500 : 100));
  }
}
