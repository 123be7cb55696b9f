// Gray2RGB: a gray image becomes one of three equal channels; an image of three channels stays as it is.
#include <algorithm>
#include <utility>

#include "runtime/data/transform.h"

namespace ctrain {
namespace {

class Gray2RGB : public Transform {
 public:
  explicit Gray2RGB(ImageShape input) : Transform({3, input.height, input.width}) {}

  void apply(Image& image, Image& spare, const RandomWords&) const override {
    if (image.shape.channels == 3) return;
    spare.reshape(output_shape());
    for (int channel = 0; channel < 3; ++channel) {
      std::copy(image.pixels.begin(), image.pixels.end(), spare.row(channel, 0));
    }
    std::swap(image, spare);
  }
};

const Registration<TransformFactory> registration(
    "Gray2RGB", {[](const Arguments& arguments, ImageShape input) -> std::unique_ptr<Transform> {
      if (input.channels != 1 && input.channels != 3) {
        throw arguments.error("", fmt::format("images of {} channels: expected gray ones", input.channels));
      }
      return std::make_unique<Gray2RGB>(input);
    }});

}  // namespace
}  // namespace ctrain
