#include <numeric>

#include "fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

Bytes header(std::initializer_list<std::uint32_t> words) {
  Bytes bytes;
  for (const std::uint32_t word : words) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  return bytes;
}

// `count` images of 3x2 whose pixels count up, and labels 0, 1, 2 ...
Bytes images(std::uint32_t count) {
  Bytes bytes = header({0x803, count, 3, 2});
  for (std::uint32_t i = 0; i < count * 6; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return bytes;
}

Bytes labels(std::uint32_t count) {
  Bytes bytes = header({0x801, count});
  for (std::uint32_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(i % 10));
  return bytes;
}

const char* const images_name = "train-images-idx3-ubyte";
const char* const labels_name = "train-labels-idx1-ubyte";

void write_pair(const fs::path& folder, const Bytes& image_bytes, const Bytes& label_bytes) {
  write_file(folder / images_name, image_bytes);
  write_file(folder / labels_name, label_bytes);
}

std::unique_ptr<Dataset> open(const fs::path& root, bool train = true, const char* type = "MNISTDataset") {
  const Setting setting =
      mapping({{"type", Setting::of(type)}, {"root", Setting::of(root.string())}, {"train", Setting::of(train)}});
  return open_dataset(setting, "train_data.dataset");
}

void check_content(const Dataset& dataset) {
  CHECK(dataset.size() == 12);
  CHECK(dataset.facts().input_shape == std::vector<std::int64_t>{1, 3, 2});
  CHECK(dataset.facts().num_classes == 10);
  Image image;
  dataset.read_image(11, image);
  CHECK(image.shape == ImageShape{1, 3, 2});
  CHECK(image.pixels == Bytes{66, 67, 68, 69, 70, 71});
  CHECK(dataset.label(11) == 1);
}

}  // namespace

TEST_CASE("IDX files are read plain, compressed and from a torchvision root") {
  const TemporaryFolder folder;
  write_pair(folder.path() / "plain", images(12), labels(12));
  check_content(*open(folder.path() / "plain"));

  write_file(folder.path() / "gz" / (std::string(images_name) + ".gz"), gzipped(images(12)));
  write_file(folder.path() / "gz" / (std::string(labels_name) + ".gz"), gzipped(labels(12)));
  check_content(*open(folder.path() / "gz"));

  write_pair(folder.path() / "torchvision" / "MNIST" / "raw", images(12), labels(12));
  check_content(*open(folder.path() / "torchvision"));
}

TEST_CASE("Damaged IDX files are usage errors that name setting, file and place") {
  const TemporaryFolder folder;
  const std::string images_path = (folder.path() / images_name).string();
  const std::string labels_path = (folder.path() / labels_name).string();
  const auto problem = [&](const Bytes& image_bytes, const Bytes& label_bytes) {
    write_pair(folder.path(), image_bytes, label_bytes);
    const std::string message = usage_message([&] { open(folder.path()); });
    CHECK_THAT(message, StartsWith("job.yaml:9:11: train_data.dataset.root: "));
    return message;
  };
  const auto cut = [](Bytes bytes, std::size_t length) {
    bytes.resize(length);
    return bytes;
  };

  CHECK_THAT(problem(cut(images(12), 50), labels(12)),
             Contains(images_path) && Contains("truncated: expected 88 bytes, found 50"));
  CHECK_THAT(problem(cut(images(12), 9), labels(12)), Contains("expected a header of 16 bytes, found 9"));
  CHECK_THAT(problem(images(12), cut(labels(12), 19)),
             Contains(labels_path) && Contains("truncated: expected 20 bytes, found 19"));
  CHECK_THAT(problem({}, labels(12)), Contains("expected a header of 16 bytes, found 0"));
  CHECK_THAT(problem(cut(images(12), 89), labels(12)), Contains("too long: expected 88 bytes, found more"));
  CHECK_THAT(problem(labels(12), labels(12)),
             Contains(images_path) && Contains("expected the magic number 0x00000803"));
  CHECK_THAT(problem(images(12), images(12)),
             Contains(labels_path) && Contains("expected the magic number 0x00000801") && Contains("found 0x00000803"));
  CHECK_THAT(problem(images(12), labels(11)), Contains("holds 12 images") && Contains("holds 11 labels"));
  CHECK_THAT(problem(header({0x803, 0, 28, 28}), labels(12)), Contains("dimension 0 is empty"));
  CHECK_THAT(problem(header({0x803, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}), labels(12)), Contains("impossibly large"));
  CHECK_THAT(problem(header({0x803, 60000, 28, 28}), labels(12)), Contains("expected 47040016 bytes, found 16"));

  Bytes bad_label = labels(12);
  bad_label[8 + 7] = 10;
  CHECK_THAT(problem(images(12), bad_label),
             Contains(labels_path) && Contains("label 10 of sample 7 is out of range: expected 0 to 9"));
}

TEST_CASE("Damaged compressed IDX files are usage errors") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / (std::string(images_name) + ".gz");
  write_file(folder.path() / labels_name, labels(2000));
  const Bytes whole = gzipped(images(2000));
  const auto problem = [&](const Bytes& bytes) {
    write_file(path, bytes);
    return usage_message([&] { open(folder.path()); });
  };
  for (const std::size_t length : {whole.size() / 2, whole.size() - 1}) {
    CHECK_THAT(problem(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))),
               Contains(path.string()) && Contains("truncated: expected 12016 bytes, found ") &&
                   Contains("the compressed stream ends early"));
  }
  Bytes damaged = whole;
  damaged[whole.size() - 6] ^= 1;  // in the checksum
  CHECK_THAT(problem(damaged), Contains(path.string()) && Contains("cannot be decompressed"));
}

TEST_CASE("Missing IDX files are told with what is wanted and where to get it") {
  const TemporaryFolder folder;
  const fs::path missing = folder.path() / "nowhere";
  CHECK_THAT(usage_message([&] { open(missing, false, "FashionMNISTDataset"); }),
             StartsWith("job.yaml:9:11: train_data.dataset.root: '" + missing.string() + "': no such folder") &&
                 Contains("dataset-fashion-mnist") && Contains("t10k-images-idx3-ubyte") &&
                 Contains("t10k-labels-idx1-ubyte"));
  CHECK_THAT(usage_message([&] { open(folder.path(), true, "FashionMNISTDataset"); }),
             Contains("files are missing in this folder") && Contains(images_name));
  const Setting rootless = mapping({{"type", Setting::of("MNISTDataset")}});
  CHECK_THAT(usage_message([&] { open_dataset(rootless, "test_data.dataset"); }),
             StartsWith("job.yaml:7:5: test_data.dataset: '': no folder is given"));
  const Setting unknown = mapping({{"type", Setting::of("MINSTDataset")}});
  CHECK_THAT(usage_message([&] { open_dataset(unknown, "test_data.dataset"); }),
             StartsWith("job.yaml:8:11: test_data.dataset.type: 'MINSTDataset' is no dataset") &&
                 Contains("CIFAR10Dataset, FashionMNISTDataset, MNISTDataset, SyntheticDataset"));
}

TEST_CASE("Fashion-MNIST has its known size, labels and statistics") {
  if (!fs::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) {
    WARN("skipped: the Debian package dataset-fashion-mnist is not installed");
    return;
  }
  const auto open_default = [](bool train) {
    return open_dataset(mapping({{"type", Setting::of("FashionMNISTDataset")}, {"train", Setting::of(train)}}), "data");
  };
  const auto train = open_default(true), test = open_default(false);
  REQUIRE(train->size() == 60000);
  REQUIRE(test->size() == 10000);
  CHECK(train->facts().input_shape == std::vector<std::int64_t>{1, 28, 28});
  const auto first_labels = [](const Dataset& dataset) {
    std::vector<int> result;
    for (int i = 0; i < 10; ++i) result.push_back(dataset.label(i));
    return result;
  };
  CHECK(first_labels(*train) == std::vector<int>{9, 0, 0, 3, 0, 2, 7, 2, 5, 5});
  CHECK(first_labels(*test) == std::vector<int>{9, 2, 1, 1, 6, 1, 4, 6, 5, 7});

  std::vector<int> per_class(10);
  double sum = 0, squares = 0;
  Image image;
  for (std::int64_t i = 0; i < train->size(); ++i) {
    ++per_class[static_cast<std::size_t>(train->label(i))];
    train->read_image(i, image);
    std::int64_t image_sum = 0, image_squares = 0;
    for (const int pixel : image.pixels) image_sum += pixel, image_squares += pixel * pixel;
    sum += static_cast<double>(image_sum) / 255, squares += static_cast<double>(image_squares) / (255.0 * 255.0);
  }
  CHECK(per_class == std::vector<int>(10, 6000));
  const double count = 60000.0 * 784, mean = sum / count;  // published: mean 0.2860, deviation 0.3530
  CHECK(mean == Approx(0.2860).margin(1e-4));
  CHECK(std::sqrt(squares / count - mean * mean) == Approx(0.3530).margin(1e-4));
}
