#include "runtime/data/pixel_table.h"

#include <type_traits>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr std::size_t levels = 256;

}  // namespace

PixelTable::PixelTable(int channels) : table_(static_cast<std::size_t>(channels) * levels) {
  for (std::size_t i = 0; i < table_.size(); ++i) table_[i] = static_cast<double>(i % levels) / 255.0;
  rounded_.assign(table_.begin(), table_.end());
}

void PixelTable::normalize(std::span<const double> mean, std::span<const double> std) {
  require(mean.size() * levels == table_.size() && std.size() == mean.size(),
          "{} means and {} deviations for {} channels", mean.size(), std.size(), table_.size() / levels);
  for (std::size_t i = 0; i < table_.size(); ++i) table_[i] = (table_[i] - mean[i / levels]) / std[i / levels];
  rounded_.assign(table_.begin(), table_.end());
}

template <typename Real>
void PixelTable::map(const Image& image, std::span<Real> values) const {
  const std::size_t plane = image.shape.plane();
  require(image.shape.channels * levels == table_.size() && values.size() == image.pixels.size(),
          "an image of {} channels and {} pixels does not fit", image.shape.channels, image.pixels.size());
  for (std::size_t channel = 0; channel * levels < table_.size(); ++channel) {
    const Real* level = nullptr;
    if constexpr (std::is_same_v<Real, float>) {
      level = rounded_.data() + channel * levels;
    } else {
      level = table_.data() + channel * levels;
    }
    const std::uint8_t* from = image.pixels.data() + channel * plane;
    Real* to = values.data() + channel * plane;
    for (std::size_t i = 0; i < plane; ++i) to[i] = level[from[i]];
  }
}

template void PixelTable::map(const Image&, std::span<float>) const;
template void PixelTable::map(const Image&, std::span<double>) const;

}  // namespace ctrain
