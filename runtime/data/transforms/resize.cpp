// Resize(size, interpolation=bilinear): to [height, width]; of one number, the shorter side gets that length and the
// other one keeps the proportions (rounded down), as in torchvision.
#include <utility>

#include "runtime/data/resample.h"
#include "runtime/data/transform.h"
#include "runtime/data/transforms/frame.h"

namespace ctrain {
namespace {

class Resize : public Transform {
 public:
  Resize(ImageShape input, ImageShape output)
      : Transform(output), rows_(input.width, output.width), columns_(input.height, output.height) {}

  void apply(Image& image, Image& spare, const RandomWords&) const override {
    if (image.shape.width != output_shape().width) {
      resample_rows(image, rows_, spare);
      std::swap(image, spare);
    }
    if (image.shape.height != output_shape().height) {
      resample_columns(image, columns_, spare);
      std::swap(image, spare);
    }
  }

 private:
  AxisFilter rows_, columns_;
};

ImageShape output_of(const Arguments& arguments, ImageShape input) {
  ImageShape output = square_or_size_argument(arguments, "size", input.channels);
  if (arguments.integers("size").size() == 2) return output;
  const auto scaled = [&](int side, int shorter) { return static_cast<std::int64_t>(output.height) * side / shorter; };
  const std::int64_t longer =
      input.width < input.height ? scaled(input.height, input.width) : scaled(input.width, input.height);
  if (longer > largest_image_extent) {
    throw arguments.error(
        "size", fmt::format("the longer side would be {} pixels: expected at most {}", longer, largest_image_extent));
  }
  (input.width < input.height ? output.height : output.width) = static_cast<int>(longer);
  return output;
}

const Registration<TransformFactory> registration(
    "Resize", {[](const Arguments& arguments, ImageShape input) -> std::unique_ptr<Transform> {
      if (const std::string name = arguments.text("interpolation", "bilinear"); name != "bilinear") {
        throw arguments.error("interpolation", fmt::format("'{}': expected bilinear", name));
      }
      return std::make_unique<Resize>(input, output_of(arguments, input));
    }});

}  // namespace
}  // namespace ctrain
