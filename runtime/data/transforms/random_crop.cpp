// RandomCrop(size, padding=None, fill=0): a window of the (padded) image at a uniformly drawn place.
#include "runtime/data/transform.h"
#include "runtime/data/transforms/frame.h"

namespace ctrain {
namespace {

class RandomCrop : public Transform {
 public:
  RandomCrop(ImageShape input, ImageShape output, Padding padding, std::uint8_t fill)
      : Transform(output),
        places_down_(padded_height(input, padding) - output.height + 1),
        places_right_(padded_width(input, padding) - output.width + 1),
        padding_(padding),
        fill_(fill) {}

  static int padded_height(ImageShape input, Padding padding) { return padding.top + input.height + padding.bottom; }
  static int padded_width(ImageShape input, Padding padding) { return padding.left + input.width + padding.right; }

  void apply(Image& image, Image& spare, const RandomWords& random) const override {
    const int top = place(random[0], places_down_), left = place(random[1], places_right_);
    take_window(image, spare, output_shape(), top - padding_.top, left - padding_.left, fill_);
  }

 private:
  static int place(std::uint32_t word, int places) {
    return static_cast<int>((std::uint64_t{word} * static_cast<std::uint64_t>(places)) >> 32);
  }

  int places_down_, places_right_;  // how many different windows there are
  Padding padding_;
  std::uint8_t fill_;
};

const Registration<TransformFactory> registration(
    "RandomCrop", {[](const Arguments& arguments, ImageShape input) -> std::unique_ptr<Transform> {
      const ImageShape output = square_or_size_argument(arguments, "size", input.channels);
      const Padding padding = padding_argument(arguments);
      const int height = RandomCrop::padded_height(input, padding), width = RandomCrop::padded_width(input, padding);
      if (output.height > height || output.width > width) {
        throw arguments.error(
            "size", fmt::format("a crop of {}x{} from images of {}x{} with their padding: expected at most that",
                                output.height, output.width, height, width));
      }
      return std::make_unique<RandomCrop>(input, output, padding, fill_argument(arguments));
    }});

}  // namespace
}  // namespace ctrain
