// RandomHorizontalFlip(p=0.5): with probability p, left and right change places.
#include <algorithm>

#include "runtime/data/transform.h"

namespace ctrain {
namespace {

class RandomHorizontalFlip : public Transform {
 public:
  RandomHorizontalFlip(ImageShape input, double probability) : Transform(input), probability_(probability) {}

  void apply(Image& image, Image&, const RandomWords& random) const override {
    if (random[0] * 0x1p-32 >= probability_) return;
    for (int channel = 0; channel < image.shape.channels; ++channel) {
      for (int y = 0; y < image.shape.height; ++y) {
        std::reverse(image.row(channel, y), image.row(channel, y) + image.shape.width);
      }
    }
  }

 private:
  double probability_;
};

const Registration<TransformFactory> registration(
    "RandomHorizontalFlip", {[](const Arguments& arguments, ImageShape input) -> std::unique_ptr<Transform> {
      const double probability = arguments.real("p", 0.5);
      if (!(probability >= 0 && probability <= 1)) {
        throw arguments.error("p", fmt::format("{}: expected a probability, 0 to 1", probability));
      }
      return std::make_unique<RandomHorizontalFlip>(input, probability);
    }});

}  // namespace
}  // namespace ctrain
