#include "runtime/data/transforms/frame.h"

#include <algorithm>
#include <utility>

namespace ctrain {

Padding padding_argument(const Arguments& arguments) {
  if (!arguments.has("padding")) return {};
  const std::vector<std::int64_t> sides = arguments.integers("padding");
  for (const std::int64_t side : sides) {
    if (side < 0 || side > largest_image_extent) {
      throw arguments.error("padding", fmt::format("{}: expected 0 to {}", side, largest_image_extent));
    }
  }
  const auto side = [&](std::size_t i) { return static_cast<int>(sides[i]); };
  switch (sides.size()) {
    case 1:
      return {side(0), side(0), side(0), side(0)};
    case 2:
      return {side(0), side(1), side(0), side(1)};
    case 4:
      return {side(0), side(1), side(2), side(3)};
    default:
      throw arguments.error("padding", fmt::format("{} numbers: expected 1, 2 or 4", sides.size()));
  }
}

std::uint8_t fill_argument(const Arguments& arguments) {
  const std::int64_t fill = arguments.integer("fill", 0);
  if (fill < 0 || fill > 255) throw arguments.error("fill", fmt::format("{}: expected 0 to 255", fill));
  return static_cast<std::uint8_t>(fill);
}

ImageShape square_or_size_argument(const Arguments& arguments, std::string_view name, int channels) {
  const std::vector<std::int64_t> size = arguments.integers(name);
  if (size.size() != 1 && size.size() != 2) {
    throw arguments.error(name, fmt::format("{} numbers: expected a size or [height, width]", size.size()));
  }
  for (const std::int64_t extent : size) {
    if (extent < 1 || extent > largest_image_extent) {
      throw arguments.error(name, fmt::format("{}: expected 1 to {}", extent, largest_image_extent));
    }
  }
  return {channels, static_cast<int>(size.front()), static_cast<int>(size.back())};
}

void take_window(Image& image, Image& spare, ImageShape shape, int top, int left, std::uint8_t fill) {
  spare.reshape(shape);
  // Columns begin ... end of the window lie inside the image.
  const int begin = std::clamp(-left, 0, shape.width), end = std::clamp(image.shape.width - left, begin, shape.width);
  for (int channel = 0; channel < shape.channels; ++channel) {
    for (int y = 0; y < shape.height; ++y) {
      std::uint8_t* to = spare.row(channel, y);
      const int source = y + top;
      if (source < 0 || source >= image.shape.height) {
        std::fill_n(to, shape.width, fill);
        continue;
      }
      std::fill(to, to + begin, fill);
      std::copy_n(image.row(channel, source) + left + begin, end - begin, to + begin);
      std::fill(to + end, to + shape.width, fill);
    }
  }
  std::swap(image, spare);
}

}  // namespace ctrain
