// Bilinear resampling of 8-bit images with antialiasing, bit for bit as Image.resize(size, BILINEAR) of Pillow up to
// version 12, which is what torchvision's Resize calls: a separable triangle filter, as wide as the scale where the
// image shrinks, in fixed-point arithmetic, first along the rows (rounding to 8 bits), then along the columns. An axis
// whose extent does not change is left alone. (Pillow 13 takes the columns first for some sizes, which changes single
// pixels by a level.)
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/data/image.h"

namespace ctrain {

// The filter along one axis: output i is the sum over t < taps of weight(i, t) * input[first(i) + t].
class AxisFilter {
 public:
  AxisFilter(int input, int output);
  [[nodiscard]] int outputs() const { return static_cast<int>(first_.size()); }
  [[nodiscard]] int taps() const { return taps_; }
  [[nodiscard]] int first(int output) const { return first_[static_cast<std::size_t>(output)]; }
  // The taps() weights of an output, in units of 2^-22; they reach no further than the input.
  [[nodiscard]] const std::int32_t* weights(int output) const {
    return weights_.data() + static_cast<std::size_t>(output) * static_cast<std::size_t>(taps_);
  }

 private:
  int taps_;
  std::vector<int> first_;
  std::vector<std::int32_t> weights_;  // [output, taps]
};

void resample_rows(const Image& from, const AxisFilter& filter, Image& to);     // changes the width
void resample_columns(const Image& from, const AxisFilter& filter, Image& to);  // changes the height

}  // namespace ctrain
