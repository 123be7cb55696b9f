// A step of a transform pipeline that works on 8-bit images, with the meaning of torchvision's transform of that name.
// A new one is one file under runtime/data/transforms/ with a class and a Registration<TransformFactory>.
// ToTensor and what follows it (Normalize) are not among them: pixel_table.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "memory/registry.h"
#include "runtime/data/arguments.h"
#include "runtime/data/image.h"

namespace ctrain {

// The random numbers of one transform for one sample in one epoch: uniform 32-bit words that depend on the seed, the
// transform's place in the pipeline, the epoch and the sample, and on nothing else.
using RandomWords = std::array<std::uint32_t, 4>;

class Transform {
 public:
  explicit Transform(ImageShape output) : output_(output) {}
  virtual ~Transform() = default;
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;

  [[nodiscard]] ImageShape output_shape() const { return output_; }

  // Replaces `image`, whose shape is the input shape, by the result. `spare` is working space: its content is lost.
  virtual void apply(Image& image, Image& spare, const RandomWords& random) const = 0;

 private:
  ImageShape output_;
};

struct TransformFactory {
  // Checks the arguments; `input` is the shape of the images that the transform will get.
  std::unique_ptr<Transform> (*make)(const Arguments& arguments, ImageShape input);
};

}  // namespace ctrain
