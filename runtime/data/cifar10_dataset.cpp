// CIFAR10Dataset: the binary version of CIFAR-10 (A. Krizhevsky, cs.toronto.edu/~kriz/cifar.html). A file is a row of
// records of 3,073 bytes: the label, then 32x32 red, green and blue planes. Any number of records is taken.
// Arguments: root (the folder with the files, or its parent), train (true: data_batch_1.bin to data_batch_5.bin, those
// that are there; false: test_batch.bin).
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "runtime/data/dataset.h"
#include "runtime/data/dataset_files.h"

namespace ctrain {
namespace {

namespace fs = std::filesystem;

constexpr ImageShape shape{3, 32, 32};
constexpr std::int64_t record_bytes = 1 + 3 * 32 * 32;
constexpr int num_classes = 10;

class Cifar10Dataset : public Dataset {
 public:
  explicit Cifar10Dataset(std::vector<std::uint8_t> records)
      : Dataset({.size = static_cast<std::int64_t>(records.size()) / record_bytes,
                 .form = InputForm::pixels,
                 .input_shape = {shape.channels, shape.height, shape.width},
                 .num_classes = num_classes,
                 .target_shape = {}}),
        records_(std::move(records)) {}

  void read_image(std::int64_t index, Image& image) const override {
    image.reshape(shape);
    std::copy_n(records_.begin() + index * record_bytes + 1, shape.pixels(), image.pixels.begin());
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    return records_[static_cast<std::size_t>(index * record_bytes)];
  }

 private:
  std::vector<std::uint8_t> records_;
};

// Adds the records of one file.
void append_file(const fs::path& path, std::vector<std::uint8_t>& records) {
  std::ifstream file(path, std::ios::binary);
  const std::size_t before = records.size(), bytes = fs::file_size(path);
  records.resize(before + bytes);
  if (!file.read(reinterpret_cast<char*>(records.data() + before), static_cast<std::streamsize>(bytes))) {
    throw usage_error("{}: cannot be read", path.string());
  }
  const std::size_t count = bytes / record_bytes, rest = bytes % record_bytes;
  if (rest != 0) {
    throw usage_error("{}: truncated: record {} has {} bytes, expected {}", path.string(), count, rest, record_bytes);
  }
  if (count == 0) throw usage_error("{}: the file is empty", path.string());
  for (std::size_t i = 0; i < count; ++i) {
    const int label = records[before + i * record_bytes];
    if (label >= num_classes) {
      throw usage_error("{}: label {} of record {} is out of range: expected 0 to {}", path.string(), label, i,
                        num_classes - 1);
    }
  }
}

// The files to read, in order: those of `names` that stand in the root, or else in the archive's folder inside it.
std::vector<fs::path> find_files(const fs::path& root, const std::vector<std::string>& names) {
  std::vector<fs::path> found;
  for (const fs::path& folder : {root, root / "cifar-10-batches-bin"}) {
    for (const std::string& name : names) {
      if (!root.empty() && is_file(folder / name)) found.push_back(folder / name);
    }
    if (!found.empty()) break;
  }
  return found;
}

std::unique_ptr<Dataset> open_cifar10(const Arguments& arguments) {
  const std::string root = arguments.text("root", "");
  const bool train = arguments.boolean("train", true);
  std::vector<std::string> names;
  for (int i = 1; train && i <= 5; ++i) names.push_back(fmt::format("data_batch_{}.bin", i));
  if (!train) names.emplace_back("test_batch.bin");
  const std::vector<fs::path> files = find_files(root, names);
  if (files.empty()) {
    throw missing_files(
        arguments, root,
        fmt::format("{} here or in the folder cifar-10-batches-bin inside",
                    train ? "data_batch_1.bin to data_batch_5.bin (at least one)" : "test_batch.bin"),
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530) has them");
  }
  try {
    std::vector<std::uint8_t> records;
    for (const fs::path& file : files) append_file(file, records);
    return std::make_unique<Cifar10Dataset>(std::move(records));
  } catch (const Error& problem) {
    throw arguments.error("root", problem.what());
  }
}

const Registration<DatasetFactory> register_cifar10("CIFAR10Dataset", {open_cifar10});

}  // namespace
}  // namespace ctrain
