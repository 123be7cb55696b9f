#include <cmath>

#include "fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

const Setting to_tensor = mapping({{"type", Setting::of("ToTensor")}});

Setting transform(const char* type, std::vector<Setting::Member> arguments = {}) {
  arguments.insert(arguments.begin(), {"type", Setting::of(type)});
  return mapping(std::move(arguments));
}

// Sample 0 of the pattern after one 8-bit transform.
Image apply(ImageShape shape, const Setting& setting, std::uint64_t seed = 5, std::uint64_t epoch = 0,
            std::int64_t sample = 0) {
  const PatternDataset dataset(300, shape);
  const TransformPipeline steps = pipeline(dataset, {setting, to_tensor}, seed);
  TransformPipeline::Workspace workspace;
  dataset.read_image(0, workspace.image);
  steps.transform(workspace, epoch, sample);
  CHECK(steps.output_shape() == std::vector<std::int64_t>{workspace.image.shape.channels, workspace.image.shape.height,
                                                          workspace.image.shape.width});
  return workspace.image;
}

std::uint32_t checksum(const Image& image) {
  return static_cast<std::uint32_t>(crc32(0, image.pixels.data(), static_cast<uInt>(image.pixels.size())));
}

std::string pipeline_problem(std::vector<Setting> transforms, ImageShape shape = {3, 8, 8}) {
  const PatternDataset dataset(1, shape);
  return usage_message([&] { pipeline(dataset, std::move(transforms)); });
}

}  // namespace

// Made with Pillow 12.0 (9.5 gives the same): Image.fromarray(pattern).resize((width, height), Image.BILINEAR);
// checksums are zlib's crc32 of the planes.
TEST_CASE("Resize gives Pillow's pixels") {
  CHECK(apply({1, 5, 7}, transform("Resize", {{"size", numbers({4, 9})}})).pixels ==
        Bytes{4,  26, 52,  77,  103, 128, 153, 179, 201, 24, 51,  83,  115, 147, 179, 151, 136, 163,
              44, 77, 115, 153, 191, 113, 59,  49,  82,  64, 102, 146, 191, 236, 81,  69,  113, 151});
  CHECK(apply({1, 5, 7}, transform("Resize", {{"size", numbers({3, 3})}})).pixels ==
        Bytes{37, 109, 182, 73, 144, 96, 109, 154, 92});
  struct Case {
    int height, width, new_height, new_width;
    std::uint32_t gray, color;
  };
  for (const Case& golden : {Case{28, 28, 32, 32, 0x0dc4cc13, 0xd2d57904}, Case{32, 32, 20, 20, 0xbc175673, 0x2b7b90b5},
                             Case{33, 17, 8, 40, 0x257a612b, 0xce534f09}, Case{100, 60, 32, 32, 0x3e4df0be, 0x298c8c22},
                             Case{28, 28, 28, 14, 0x89616805, 0xd6343e37}, Case{28, 28, 14, 28, 0xff877a8e, 0x13fdfca9},
                             Case{1, 1, 3, 2, 0xb1c2a1a3, 0x4a6cec5b}}) {
    const Setting resize = transform("Resize", {{"size", numbers({golden.new_height, golden.new_width})}});
    INFO(golden.height << "x" << golden.width << " to " << golden.new_height << "x" << golden.new_width);
    CHECK(checksum(apply({1, golden.height, golden.width}, resize)) == golden.gray);
    CHECK(checksum(apply({3, golden.height, golden.width}, resize)) == golden.color);
  }
}

TEST_CASE("Resize to one number gives that to the shorter side and keeps the proportions") {
  const Setting resize = transform("Resize", {{"size", Setting::of(10)}});
  CHECK(apply({1, 20, 31}, resize).shape == ImageShape{1, 10, 15});
  CHECK(apply({1, 31, 20}, resize).shape == ImageShape{1, 15, 10});
  const Image same = apply({1, 10, 10}, resize);
  CHECK(same.row(0, 3)[4] == pattern(0, 3, 4));
}

TEST_CASE("Pad takes one, two or four numbers and a fill") {
  const Image all = apply({2, 3, 4}, transform("Pad", {{"padding", Setting::of(2)}}));
  REQUIRE(all.shape == ImageShape{2, 7, 8});
  const Image two = apply({2, 3, 4}, transform("Pad", {{"padding", numbers({1, 2})}}));
  REQUIRE(two.shape == ImageShape{2, 7, 6});
  const Image four = apply({2, 3, 4}, transform("Pad", {{"padding", numbers({1, 2, 3, 4})}, {"fill", Setting::of(9)}}));
  REQUIRE(four.shape == ImageShape{2, 9, 8});
  for (int c = 0; c < 2; ++c) {
    for (int y = 0; y < 9; ++y) {
      for (int x = 0; x < 8; ++x) {
        const bool inside = y >= 2 && y < 5 && x >= 1 && x < 5;
        CHECK(four.row(c, y)[x] == (inside ? pattern(c, y - 2, x - 1) : 9));
      }
    }
  }
  CHECK(all.row(1, 4)[5] == pattern(1, 2, 3));
  CHECK(all.row(1, 5)[5] == 0);
}

TEST_CASE("RandomCrop takes every window, each about as often, as a function of seed, epoch and sample") {
  const ImageShape shape{1, 6, 5};
  const Setting crop = transform("RandomCrop", {{"size", numbers({4, 5})}, {"padding", Setting::of(1)}});
  std::array<int, 15> counts{};  // (6 + 2 - 4 + 1) x (5 + 2 - 5 + 1) windows
  for (std::int64_t sample = 0; sample < 3000; ++sample) {
    const Image result = apply(shape, crop, 5, 2, sample);
    int matches = 0;
    for (int window = 0; window < 15; ++window) {
      bool same = true;
      for (int y = 0; y < 4; ++y) {
        for (int x = 0; x < 5; ++x) {
          const int from_y = y + window / 3 - 1, from_x = x + window % 3 - 1;
          const bool inside = from_y >= 0 && from_y < 6 && from_x >= 0 && from_x < 5;
          same = same && result.row(0, y)[x] == (inside ? pattern(0, from_y, from_x) : 0);
        }
      }
      if (same) ++counts[static_cast<std::size_t>(window)], ++matches;
    }
    if (matches != 1) FAIL("sample " << sample << " is no single window of the image");
  }
  for (const int count : counts) CHECK(std::abs(count - 200) < 70);  // five standard deviations

  CHECK(apply(shape, crop, 5, 2, 7).pixels == apply(shape, crop, 5, 2, 7).pixels);
  const auto windows = [&](std::uint64_t seed, std::uint64_t epoch) {
    std::vector<Bytes> result;
    for (std::int64_t sample = 0; sample < 20; ++sample) {
      result.push_back(apply(shape, crop, seed, epoch, sample).pixels);
    }
    return result;
  };
  CHECK(windows(5, 2) != windows(5, 3));
  CHECK(windows(5, 2) != windows(6, 2));
}

TEST_CASE("RandomHorizontalFlip mirrors rows with its probability") {
  const ImageShape shape{2, 3, 4};
  const auto flips = [&](const Setting& setting) {
    int count = 0;
    for (std::int64_t sample = 0; sample < 1000; ++sample) {
      const Image result = apply(shape, setting, 5, 0, sample);
      const bool flipped = result.row(0, 0)[0] == pattern(0, 0, 3);
      count += flipped;
      for (int c = 0; c < 2; ++c) {
        for (int x = 0; x < 4; ++x) {
          if (result.row(c, 2)[x] != pattern(c, 2, flipped ? 3 - x : x)) FAIL("neither the image nor its mirror image");
        }
      }
    }
    return count;
  };
  CHECK(std::abs(flips(transform("RandomHorizontalFlip")) - 500) < 80);  // five standard deviations
  CHECK(std::abs(flips(transform("RandomHorizontalFlip", {{"p", Setting::of(0.1)}})) - 100) < 48);
  CHECK(flips(transform("RandomHorizontalFlip", {{"p", Setting::of(1)}})) == 1000);
  CHECK(flips(transform("RandomHorizontalFlip", {{"p", Setting::of(0)}})) == 0);
}

TEST_CASE("Two random transforms of one pipeline draw independently") {
  const PatternDataset dataset(1, {1, 4, 4});
  const Setting flip = transform("RandomHorizontalFlip");
  const TransformPipeline once = pipeline(dataset, {flip, to_tensor}),
                          twice = pipeline(dataset, {flip, flip, to_tensor});
  int differ = 0;
  for (std::int64_t sample = 0; sample < 200; ++sample) {
    TransformPipeline::Workspace one, two;
    dataset.read_image(0, one.image);
    dataset.read_image(0, two.image);
    once.transform(one, 0, sample);
    twice.transform(two, 0, sample);
    differ += one.image.pixels != two.image.pixels;
  }
  CHECK(std::abs(differ - 100) < 40);  // the second flip happens for half of the samples
}

TEST_CASE("Gray2RGB repeats a gray image and leaves a coloured one") {
  const Image gray = apply({1, 2, 3}, transform("Gray2RGB")), color = apply({3, 2, 3}, transform("Gray2RGB"));
  CHECK(gray.shape == ImageShape{3, 2, 3});
  for (int c = 0; c < 3; ++c) {
    CHECK(gray.row(c, 1)[2] == pattern(0, 1, 2));
    CHECK(color.row(c, 1)[2] == pattern(c, 1, 2));
  }
}

TEST_CASE("ToTensor and Normalize give torchvision's numbers in both precisions") {
  const PatternDataset dataset(1, {3, 4, 5});
  const Setting normalize =
      transform("Normalize", {{"mean", reals({0.4914, 0.4822, 0.4465})}, {"std", reals({0.2023, 0.1994, 0.2010})}});
  const TransformPipeline steps = pipeline(dataset, {to_tensor, normalize});
  const TransformPipeline scale = pipeline(dataset, {to_tensor});
  const TransformPipeline one_value =
      pipeline(dataset, {to_tensor, transform("Normalize", {{"mean", Setting::of(0.5)}, {"std", reals({0.25})}})});
  Image image;
  dataset.read_image(0, image);
  std::vector<float> single(60), scaled(60), broadcast(60);
  std::vector<double> exact(60);
  steps.to_tensor(image, std::span(single));
  steps.to_tensor(image, std::span(exact));
  scale.to_tensor(image, std::span(scaled));
  one_value.to_tensor(image, std::span(broadcast));
  const double mean[] = {0.4914, 0.4822, 0.4465}, std[] = {0.2023, 0.1994, 0.2010};
  for (std::size_t i = 0; i < 60; ++i) {
    const double value = image.pixels[i] / 255.0;
    CHECK(exact[i] == Approx((value - mean[i / 20]) / std[i / 20]).epsilon(1e-14));
    CHECK(single[i] == static_cast<float>(exact[i]));
    CHECK(scaled[i] == static_cast<float>(value));
    CHECK(broadcast[i] == Approx((value - 0.5) / 0.25).margin(1e-6));
  }
}

TEST_CASE("A pipeline in the wrong order or with bad arguments is a usage error with its place") {
  const Setting normalize = transform("Normalize", {{"mean", reals({0.5})}, {"std", reals({0.5})}});
  const Setting flip = transform("RandomHorizontalFlip");
  CHECK_THAT(pipeline_problem({flip}),
             StartsWith("job.yaml:8:11: train_data.dataset.transform_pipeline: expected ToTensor"));
  CHECK_THAT(
      pipeline_problem({normalize, to_tensor}),
      StartsWith("job.yaml:7:5: train_data.dataset.transform_pipeline.0: Normalize") && Contains("after ToTensor"));
  CHECK_THAT(pipeline_problem({to_tensor, flip}),
             StartsWith("job.yaml:7:5: train_data.dataset.transform_pipeline.1: RandomHorizontalFlip") &&
                 Contains("before ToTensor"));
  CHECK_THAT(pipeline_problem({to_tensor, to_tensor}), Contains("a second time"));
  CHECK_THAT(pipeline_problem({transform("Flip"), to_tensor}),
             StartsWith("job.yaml:8:11: train_data.dataset.transform_pipeline.0.type: 'Flip' is no transform") &&
                 Contains("RandomCrop"));
  CHECK_THAT(pipeline_problem({transform("RandomHorizontalFlip", {{"p", Setting::of(1.5)}})}),
             Contains("1.5: expected a probability"));
  CHECK_THAT(pipeline_problem({transform("RandomCrop", {{"size", Setting::of(9)}})}),
             Contains("a crop of 9x9 from images of 8x8"));
  CHECK_THAT(pipeline_problem({transform("RandomCrop")}), Contains("'size' is missing"));
  CHECK_THAT(pipeline_problem({transform("Resize", {{"size", Setting::of(0)}})}), Contains("0: expected 1 to 32768"));
  CHECK_THAT(pipeline_problem({transform("Resize", {{"size", numbers({1, 2, 3})}})}), Contains("3 numbers"));
  CHECK_THAT(
      pipeline_problem({transform("Resize", {{"size", Setting::of(4)}, {"interpolation", Setting::of("nearest")}})}),
      Contains("'nearest': expected bilinear"));
  CHECK_THAT(pipeline_problem({transform("Pad", {{"padding", numbers({1, 2, 3})}})}),
             Contains("3 numbers: expected 1, 2 or 4"));
  CHECK_THAT(pipeline_problem({transform("Pad", {{"padding", Setting::of(-1)}})}), Contains("-1: expected 0 to"));
  CHECK_THAT(pipeline_problem({transform("Pad", {{"padding", Setting::of(1)}, {"fill", Setting::of(256)}})}),
             Contains("256: expected 0 to 255"));
  CHECK_THAT(pipeline_problem({transform("Gray2RGB"), to_tensor}, {2, 4, 4}), Contains("images of 2 channels"));
  CHECK_THAT(
      pipeline_problem({to_tensor, transform("Normalize", {{"mean", reals({0.5, 0.5})}, {"std", reals({0.5})}})}),
      StartsWith("job.yaml:9:11: train_data.dataset.transform_pipeline.1.mean: 2 values for images of 3 channels"));
  CHECK_THAT(pipeline_problem({to_tensor, transform("Normalize", {{"mean", reals({0.5})}, {"std", reals({0})}})}),
             Contains("expected positive"));
}
