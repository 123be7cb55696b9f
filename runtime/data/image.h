// A decoded sample image: 8-bit pixels stored plane by plane, pixels[(c * height + y) * width + x], the order of the
// model's input. Objects are reused from sample to sample; after the first of the largest size nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctrain {

constexpr std::int64_t largest_image_extent = 1 << 15;  // height or width; beyond it, a file or a setting is damaged

struct ImageShape {
  int channels = 0, height = 0, width = 0;
  [[nodiscard]] std::size_t plane() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
  [[nodiscard]] std::size_t pixels() const { return static_cast<std::size_t>(channels) * plane(); }
  bool operator==(const ImageShape&) const = default;
};

struct Image {
  ImageShape shape;
  std::vector<std::uint8_t> pixels;

  // Gives the image another shape; the pixels are then to be written anew.
  void reshape(ImageShape other) {
    shape = other;
    pixels.resize(other.pixels());
  }
  [[nodiscard]] std::uint8_t* row(int channel, int y) { return pixels.data() + offset(channel, y); }
  [[nodiscard]] const std::uint8_t* row(int channel, int y) const { return pixels.data() + offset(channel, y); }

 private:
  [[nodiscard]] std::size_t offset(int channel, int y) const {
    return (static_cast<std::size_t>(channel) * static_cast<std::size_t>(shape.height) + static_cast<std::size_t>(y)) *
           static_cast<std::size_t>(shape.width);
  }
};

}  // namespace ctrain
