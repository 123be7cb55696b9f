// What the transforms that cut and border images share: torchvision's ways to write sizes and paddings, and taking a
// window of an image that may reach over its edges.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/data/arguments.h"
#include "runtime/data/image.h"

namespace ctrain {

struct Padding {
  int left = 0, top = 0, right = 0, bottom = 0;
};

// `padding`: one number for all sides, [left and right, top and bottom] or [left, top, right, bottom]; none where it is
// not given.
Padding padding_argument(const Arguments& arguments);

// `fill`: the value of pixels outside the image, 0 to 255; 0 where it is not given.
std::uint8_t fill_argument(const Arguments& arguments);

// `name`: [height, width], or one number, as torchvision reads it in RandomCrop: a square.
ImageShape square_or_size_argument(const Arguments& arguments, std::string_view name, int channels);

// Replaces the image by its window of the extents of `shape` whose upper left corner is pixel (top, left), which may be
// negative; pixels outside the image are `fill`.
void take_window(Image& image, Image& spare, ImageShape shape, int top, int left, std::uint8_t fill);

}  // namespace ctrain
