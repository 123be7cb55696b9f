// What the tests of the data side share: files of bytes, settings as the configuration would give them, and images that
// are easy to predict.
#pragma once

#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"
#include "runtime/data/transform_pipeline.h"
#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

namespace ctrain::test {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

inline void write_file(const fs::path& path, const Bytes& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

inline Bytes gzipped(const Bytes& bytes) {
  Bytes result(compressBound(bytes.size()) + 64);
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = result.data();
  stream.avail_out = static_cast<uInt>(result.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

// A mapping that stands at job.yaml:7:5, its values at column 11 of the lines below.
inline Setting mapping(std::vector<Setting::Member> members) {
  int line = 7;
  for (auto& [key, value] : members) {
    ++line;
    value.place({"job.yaml", line, 11}, {"job.yaml", line, 5});
  }
  Setting setting = Setting::of(std::move(members));
  setting.place({"job.yaml", 7, 5}, {"job.yaml", 7, 1});
  return setting;
}

inline Setting numbers(std::initializer_list<int> values) {
  std::vector<Setting> items;
  for (const int value : values) items.push_back(Setting::of(value));
  return Setting::of(std::move(items));
}

inline Setting reals(std::initializer_list<double> values) {
  std::vector<Setting> items;
  for (const double value : values) items.push_back(Setting::of(value));
  return Setting::of(std::move(items));
}

// Gray levels that differ from pixel to pixel, row to row and channel to channel.
inline std::uint8_t pattern(int channel, int y, int x) {
  return static_cast<std::uint8_t>((x * 31 + y * 17 + channel * 101 + x * y * 7) % 256);
}

// `size` images of one shape; sample i is the pattern with i added to every pixel, and its label is i % 10.
class PatternDataset : public Dataset {
 public:
  PatternDataset(std::int64_t size, ImageShape shape)
      : Dataset({.size = size,
                 .form = InputForm::pixels,
                 .input_shape = {shape.channels, shape.height, shape.width},
                 .num_classes = 10,
                 .target_shape = {}}),
        shape_(shape) {}
  void read_image(std::int64_t index, Image& image) const override {
    image.reshape(shape_);
    for (int c = 0; c < shape_.channels; ++c) {
      for (int y = 0; y < shape_.height; ++y) {
        for (int x = 0; x < shape_.width; ++x) {
          image.row(c, y)[x] = static_cast<std::uint8_t>(pattern(c, y, x) + index);
        }
      }
    }
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return static_cast<std::int32_t>(index % 10); }

 private:
  ImageShape shape_;
};

// The pipeline of these transforms over the dataset's images.
inline TransformPipeline pipeline(const Dataset& dataset, std::vector<Setting> transforms, std::uint64_t seed = 5) {
  const Setting setting = mapping({{"transform_pipeline", Setting::of(std::move(transforms))}});
  return {dataset, setting, "train_data.dataset", seed};
}

// A folder of the shared data, where this checkout has it.
inline std::optional<fs::path> shared_folder(const fs::path& inside) {
  const char* variable = std::getenv("CTRAIN_SHARED");
  const fs::path root = variable != nullptr ? fs::path(variable) : fs::path(CTRAIN_SOURCE_DIR) / ".." / "shared";
  if (fs::is_directory(root / inside)) return root / inside;
  return std::nullopt;
}

}  // namespace ctrain::test
