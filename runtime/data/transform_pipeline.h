// The `transform_pipeline` of a dataset: transforms of the 8-bit image, then ToTensor, then any number of Normalize.
// All shapes are known when it is made. Its randomness is a function of (seed, place and name of the transform, epoch,
// sample index), never of a rank or of the order in which samples are asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/data/dataset.h"
#include "runtime/data/pixel_table.h"
#include "runtime/data/transform.h"

namespace ctrain {

class TransformPipeline {
 public:
  // Images on their way through a pipeline; each thread has its own.
  struct Workspace {
    Image image, spare;
  };

  // `dataset_setting` is the mapping from which the dataset was opened, at configuration key `key`
  // ("train_data.dataset"); its member transform_pipeline is read. A usage error with location where a transform is
  // unknown, has a bad argument or stands in the wrong order, where ToTensor is missing (images), and where there is a
  // pipeline although the dataset's inputs are floats already.
  TransformPipeline(const Dataset& dataset, const Setting& dataset_setting, std::string_view key, std::uint64_t seed);

  // Of one sample of the model's input: [channels, height, width] or [features].
  [[nodiscard]] const std::vector<std::int64_t>& output_shape() const { return output_shape_; }

  // Applies the 8-bit transforms to workspace.image, which then has the output shape.
  void transform(Workspace& workspace, std::uint64_t epoch, std::int64_t sample) const;

  // ToTensor and Normalize; Real is float or double. Of a dataset of images only.
  template <typename Real>
  void to_tensor(const Image& image, std::span<Real> values) const {
    table_->map(image, values);
  }

 private:
  struct Step {
    std::unique_ptr<Transform> transform;
    std::uint64_t key;  // of its random numbers
  };
  void add(const Arguments& arguments, std::uint64_t seed, ImageShape& shape);
  void add_normalize(const Arguments& arguments, int channels);

  std::vector<Step> steps_;
  std::optional<PixelTable> table_;  // set by ToTensor
  std::vector<std::int64_t> output_shape_;
};

}  // namespace ctrain
