// ToTensor and Normalize as one table: both work on a pixel's value alone, so what they make of the 256 values of a
// channel is worked out once, in double precision, and a sample takes one look-up per pixel.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/data/image.h"

namespace ctrain {

class PixelTable {
 public:
  // ToTensor: 0 ... 255 becomes 0 ... 1.
  explicit PixelTable(int channels);

  // Normalize: (value - mean) / std, with one mean and one std per channel.
  void normalize(std::span<const double> mean, std::span<const double> std);

  // Writes the image's values, [channels, height, width]; Real is float or double.
  template <typename Real>
  void map(const Image& image, std::span<Real> values) const;

 private:
  std::vector<double> table_;  // [channels, 256]
  std::vector<float> rounded_;
};

}  // namespace ctrain
