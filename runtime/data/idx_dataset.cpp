// FashionMNISTDataset and MNISTDataset (any pair of IDX files under the usual names): gray images of one size with a
// class label each. Arguments: root (the folder with the files, or a torchvision root, where they stand in
// <name>/raw), train (true).
#include <algorithm>
#include <filesystem>

#include "runtime/data/dataset.h"
#include "runtime/data/dataset_files.h"
#include "runtime/data/idx_file.h"

namespace ctrain {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t num_classes = 10;

class IdxDataset : public Dataset {
 public:
  IdxDataset(IdxFile images, IdxFile labels)
      : Dataset({.size = images.extents[0],
                 .form = InputForm::pixels,
                 .input_shape = {1, images.extents[1], images.extents[2]},
                 .num_classes = num_classes,
                 .target_shape = {}}),
        shape_{1, static_cast<int>(images.extents[1]), static_cast<int>(images.extents[2])},
        pixels_(std::move(images.elements)),
        labels_(std::move(labels.elements)) {}

  void read_image(std::int64_t index, Image& image) const override {
    image.reshape(shape_);
    std::copy_n(pixels_.begin() + index * static_cast<std::int64_t>(shape_.pixels()), shape_.pixels(),
                image.pixels.begin());
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    return labels_[static_cast<std::size_t>(index)];
  }

 private:
  ImageShape shape_;
  std::vector<std::uint8_t> pixels_, labels_;
};

// What a user needs to get the files where they are missing.
struct Source {
  const char* torchvision_folder;
  const char* default_root;  // "" where there is none
  const char* how_to_get;
};

constexpr Source fashion_mnist{
    "FashionMNIST", "/usr/share/datasets/fashion-mnist",
    "the Debian package 'dataset-fashion-mnist' brings them (apt install dataset-fashion-mnist)"};
constexpr Source mnist{"MNIST", "",
                       "https://ossci-datasets.s3.amazonaws.com/mnist/ has them (md5 of the .gz files: train images "
                       "f68b3c2dcbeaaa9fbdd348bbdeb94873, train labels d53e105ee54ea40749a09fcbcd1e9432, test images "
                       "9fb629c4189551a2d022fa330f9573f3, test labels ec29112dd5afa0611ce80d1b7f02629c)"};

// The path of `name` or `name`.gz under the root, or an empty path.
fs::path find_file(const fs::path& root, const Source& source, const std::string& name) {
  for (const fs::path& folder : {root, root / source.torchvision_folder / "raw"}) {
    for (const char* suffix : {"", ".gz"}) {
      if (fs::path path = folder / (name + suffix); !root.empty() && is_file(path)) return path;
    }
  }
  return {};
}

void check(const IdxFile& images, const fs::path& images_path, const IdxFile& labels, const fs::path& labels_path) {
  if (images.extents[1] > largest_image_extent || images.extents[2] > largest_image_extent) {
    throw usage_error("{}: images of {}x{} are impossibly large", images_path.string(), images.extents[1],
                      images.extents[2]);
  }
  if (images.extents[0] != labels.extents[0]) {
    throw usage_error("{} holds {} images, but {} holds {} labels", images_path.string(), images.extents[0],
                      labels_path.string(), labels.extents[0]);
  }
  const auto bad =
      std::find_if(labels.elements.begin(), labels.elements.end(), [](int label) { return label >= num_classes; });
  if (bad != labels.elements.end()) {
    throw usage_error("{}: label {} of sample {} is out of range: expected 0 to {}", labels_path.string(), *bad,
                      bad - labels.elements.begin(), num_classes - 1);
  }
}

std::unique_ptr<Dataset> open_idx(const Arguments& arguments, const Source& source) {
  const std::string root = arguments.text("root", source.default_root);
  const std::string prefix = arguments.boolean("train", true) ? "train" : "t10k";
  const std::string images_name = prefix + "-images-idx3-ubyte", labels_name = prefix + "-labels-idx1-ubyte";
  const fs::path images_path = find_file(root, source, images_name), labels_path = find_file(root, source, labels_name);
  if (images_path.empty() || labels_path.empty()) {
    throw missing_files(arguments, root, fmt::format("{} and {}, plain or with .gz", images_name, labels_name),
                        source.how_to_get);
  }
  try {
    IdxFile images = read_idx(images_path, 3), labels = read_idx(labels_path, 1);
    check(images, images_path, labels, labels_path);
    return std::make_unique<IdxDataset>(std::move(images), std::move(labels));
  } catch (const Error& problem) {
    throw arguments.error("root", problem.what());
  }
}

const Registration<DatasetFactory> register_fashion_mnist("FashionMNISTDataset", {[](const Arguments& arguments) {
                                                            return open_idx(arguments, fashion_mnist);
                                                          }});
const Registration<DatasetFactory> register_mnist("MNISTDataset", {[](const Arguments& arguments) {
                                                    return open_idx(arguments, mnist);
                                                  }});

}  // namespace
}  // namespace ctrain
