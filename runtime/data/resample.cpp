#include "runtime/data/resample.h"

#include <algorithm>
#include <cmath>

namespace ctrain {
namespace {

constexpr int fraction_bits = 32 - 8 - 2;  // Pillow's: 8 bits of pixel, 2 bits to spare
constexpr std::int32_t half = 1 << (fraction_bits - 1);

std::uint8_t rounded(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255)); }

// As Pillow rounds, to the bit (std::lround looks at the digits that x + 0.5 loses).
int round_half_up(double x) { return static_cast<int>(x + 0.5); }  // NOLINT(bugprone-incorrect-roundings): Pillow's

}  // namespace

AxisFilter::AxisFilter(int input, int output) : first_(static_cast<std::size_t>(output)) {
  const double scale = static_cast<double>(input) / output;
  const double radius = std::max(scale, 1.0);  // of the triangle, in input pixels
  taps_ = std::min(static_cast<int>(std::ceil(radius)) * 2 + 1, input);
  weights_.resize(first_.size() * static_cast<std::size_t>(taps_));
  std::vector<double> exact(static_cast<std::size_t>(taps_));
  for (int i = 0; i < output; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(round_half_up(center - radius), 0);
    const int end = std::min(round_half_up(center + radius), input);
    // A window at the far edge starts earlier and has leading zero weights, so that all `taps` lie inside the input.
    const int start = std::min(begin, input - taps_);
    first_[static_cast<std::size_t>(i)] = start;
    std::fill(exact.begin(), exact.end(), 0.0);
    double total = 0;
    for (int x = begin; x < end; ++x) {
      const double distance = std::abs((x - center + 0.5) * (1.0 / radius));
      total += exact[static_cast<std::size_t>(x - start)] = std::max(1.0 - distance, 0.0);
    }
    std::int32_t* weights = weights_.data() + static_cast<std::size_t>(i) * exact.size();
    for (std::size_t t = 0; t < exact.size(); ++t) {
      weights[t] = round_half_up(exact[t] / total * (1 << fraction_bits));
    }
  }
}

void resample_rows(const Image& from, const AxisFilter& filter, Image& to) {
  to.reshape({from.shape.channels, from.shape.height, filter.outputs()});
  for (int channel = 0; channel < from.shape.channels; ++channel) {
    for (int y = 0; y < from.shape.height; ++y) {
      const std::uint8_t* input = from.row(channel, y);
      std::uint8_t* output = to.row(channel, y);
      for (int x = 0; x < filter.outputs(); ++x) {
        const std::int32_t* weights = filter.weights(x);
        const std::uint8_t* window = input + filter.first(x);
        std::int32_t sum = half;
        for (int t = 0; t < filter.taps(); ++t) sum += window[t] * weights[t];
        output[x] = rounded(sum);
      }
    }
  }
}

void resample_columns(const Image& from, const AxisFilter& filter, Image& to) {
  const int width = from.shape.width;
  to.reshape({from.shape.channels, filter.outputs(), width});
  for (int channel = 0; channel < from.shape.channels; ++channel) {
    for (int y = 0; y < filter.outputs(); ++y) {
      const std::int32_t* weights = filter.weights(y);
      const std::uint8_t* window = from.row(channel, filter.first(y));
      std::uint8_t* output = to.row(channel, y);
      for (int x = 0; x < width; ++x) {
        std::int32_t sum = half;
        for (int t = 0; t < filter.taps(); ++t) sum += window[t * width + x] * weights[t];
        output[x] = rounded(sum);
      }
    }
  }
}

}  // namespace ctrain
