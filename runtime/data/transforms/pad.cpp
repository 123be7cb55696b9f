// Pad(padding, fill=0): a border of one value around the image.
#include "runtime/data/transform.h"
#include "runtime/data/transforms/frame.h"

namespace ctrain {
namespace {

class Pad : public Transform {
 public:
  Pad(ImageShape input, Padding padding, std::uint8_t fill)
      : Transform(
            {input.channels, input.height + padding.top + padding.bottom, input.width + padding.left + padding.right}),
        padding_(padding),
        fill_(fill) {}

  void apply(Image& image, Image& spare, const RandomWords&) const override {
    take_window(image, spare, output_shape(), -padding_.top, -padding_.left, fill_);
  }

 private:
  Padding padding_;
  std::uint8_t fill_;
};

const Registration<TransformFactory> registration("Pad", {[](const Arguments& arguments,
                                                             ImageShape input) -> std::unique_ptr<Transform> {
                                                    if (!arguments.has("padding"))
                                                      throw arguments.error("padding", "'padding' is missing");
                                                    return std::make_unique<Pad>(input, padding_argument(arguments),
                                                                                 fill_argument(arguments));
                                                  }});

}  // namespace
}  // namespace ctrain
