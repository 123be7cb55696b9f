#include "runtime/data/loader.h"

#include <atomic>
#include <numeric>

#include "fixtures.h"
#include "memory/allocation_counter.h"

using namespace ctrain;
using namespace ctrain::test;

namespace {

constexpr ImageShape shape{1, 6, 5};
constexpr std::size_t pixels = 8 * 8 * 3;  // of the model's input after the transforms

// Random transforms, a change of extents and of channels.
TransformPipeline augmenting(const Dataset& dataset) {
  const Setting resize = mapping({{"type", Setting::of("Resize")}, {"size", numbers({9, 8})}});
  const Setting crop =
      mapping({{"type", Setting::of("RandomCrop")}, {"size", Setting::of(8)}, {"padding", Setting::of(2)}});
  const Setting flip = mapping({{"type", Setting::of("RandomHorizontalFlip")}});
  const Setting color = mapping({{"type", Setting::of("Gray2RGB")}});
  const Setting to_tensor = mapping({{"type", Setting::of("ToTensor")}});
  const Setting normalize =
      mapping({{"type", Setting::of("Normalize")}, {"mean", reals({0.5})}, {"std", reals({0.25})}});
  return pipeline(dataset, {resize, crop, flip, color, to_tensor, normalize});
}

constexpr Feed images(std::int64_t start, std::int64_t length, DType type = DType::f32) {
  return {FeedField::images, start, length, type};
}
constexpr Feed labels(std::int64_t start, std::int64_t length) {
  return {FeedField::labels, start, length, DType::i32};
}

template <typename T>
std::vector<T> copy(const Batch& batch, std::size_t feed, std::size_t elements) {
  return {batch.data<T>(feed), batch.data<T>(feed) + elements};
}

// A dataset whose sample 7 cannot be read, and which counts reads.
class FailingDataset : public PatternDataset {
 public:
  using PatternDataset::PatternDataset;
  void read_image(std::int64_t index, Image& image) const override {
    ++reads;
    if (index == 7) throw running_error("sample 7 is damaged");
    PatternDataset::read_image(index, image);
  }
  mutable std::atomic<int> reads = 0;
};

}  // namespace

TEST_CASE("Segments of the batch hold the rows of the whole batch, in any split and precision") {
  const PatternDataset dataset(37, shape);
  const TransformPipeline transforms = augmenting(dataset);
  const SamplerOptions options{.batch_size = 8, .shuffle = true, .seed = 11};
  Loader whole(dataset, transforms, options, {images(0, 8), labels(0, 8)}, 2);
  Loader parts(dataset, transforms, options,
               {images(0, 3), images(3, 5), labels(2, 6), images(3, 5, DType::f64), images(3, 5)}, 3);
  CHECK(whole.steps_per_epoch() == 5);
  for (std::int64_t n = 0; n < 12; ++n) {
    const Batch& all = whole.next();
    const Batch& split = parts.next();
    CHECK(all.epoch == n / 5);
    CHECK(all.step == n % 5);
    CHECK(all.valid == (n % 5 == 4 ? 5 : 8));
    CHECK(split.epoch == all.epoch);
    CHECK(split.step == all.step);
    CHECK(split.valid == all.valid);

    const std::vector<float> expected = copy<float>(all, 0, 8 * pixels);
    std::vector<float> joined = copy<float>(split, 0, 3 * pixels);
    const std::vector<float> second = copy<float>(split, 1, 5 * pixels);
    joined.insert(joined.end(), second.begin(), second.end());
    CHECK(joined == expected);
    CHECK(copy<float>(split, 4, 5 * pixels) == second);
    const std::vector<double> precise = copy<double>(split, 3, 5 * pixels);
    CHECK(std::vector<float>(precise.begin(), precise.end()) == second);

    const std::vector<std::int32_t> expected_labels = copy<std::int32_t>(all, 1, 8);
    CHECK(copy<std::int32_t>(split, 2, 6) ==
          std::vector<std::int32_t>(expected_labels.begin() + 2, expected_labels.end()));
  }
}

TEST_CASE("A batch holds the sampler's samples, transformed; rows without a sample are zeros with label -1") {
  const PatternDataset dataset(10, shape);
  const TransformPipeline transforms = augmenting(dataset);
  const SamplerOptions options{.batch_size = 4, .shuffle = true, .seed = 2};
  const Sampler sampler(10, options);
  Loader loader(dataset, transforms, options, {labels(0, 4), images(0, 4)}, 1);
  TransformPipeline::Workspace workspace;
  for (std::int64_t n = 0; n < 9; ++n) {
    const Batch& batch = loader.next();
    CHECK(reinterpret_cast<std::uintptr_t>(batch.data<float>(1)) % 64 == 0);
    for (std::int64_t row = 0; row < 4; ++row) {
      const std::int64_t sample = sampler.epoch(n / 3).sample(n % 3, row);
      std::vector<float> expected(pixels, 0.0F);
      if (sample >= 0) {
        dataset.read_image(sample, workspace.image);
        transforms.transform(workspace, static_cast<std::uint64_t>(n / 3), sample);
        transforms.to_tensor(workspace.image, std::span(expected));
      }
      CHECK(batch.data<std::int32_t>(0)[row] == (sample < 0 ? -1 : static_cast<std::int32_t>(sample % 10)));
      const float* found = batch.data<float>(1) + static_cast<std::size_t>(row) * pixels;
      CHECK(std::vector<float>(found, found + pixels) == expected);
    }
  }
}

TEST_CASE("A loader goes on anywhere, at once, with the batches of an uninterrupted run") {
  const PatternDataset dataset(50, shape);
  const TransformPipeline transforms = augmenting(dataset);
  const SamplerOptions options{.batch_size = 8, .shuffle = true, .drop_last = true, .seed = 11};
  const std::vector<Feed> feeds{images(0, 8), labels(0, 8)};
  Loader straight(dataset, transforms, options, feeds, 2), seeking(dataset, transforms, options, feeds, 2);
  std::vector<std::vector<float>> expected;
  for (int n = 0; n < 18; ++n) expected.push_back(copy<float>(straight.next(), 0, 8 * pixels));
  const auto check_from = [&](std::int64_t epoch, std::int64_t step, std::size_t number) {
    seeking.seek(epoch, step);
    for (std::size_t n = number; n < number + 3; ++n) {
      const Batch& batch = seeking.next();
      CHECK(batch.epoch * 6 + batch.step == static_cast<std::int64_t>(n));
      CHECK(copy<float>(batch, 0, 8 * pixels) == expected[n]);
    }
  };
  check_from(1, 4, 10);
  check_from(0, 0, 0);
  check_from(0, 6, 6);  // behind the last step of an epoch
  for (int i = 0; i < 200; ++i) seeking.seek(i % 3, i % 6);
  check_from(2, 0, 12);
}

TEST_CASE("Any number of workers brings the same batches in the same order, also after seeks") {
  const PatternDataset dataset(50, shape);
  const TransformPipeline transforms = augmenting(dataset);
  const SamplerOptions options{.batch_size = 8, .shuffle = true, .seed = 11};
  const std::vector<Feed> feeds{images(0, 8), labels(0, 8)};
  const int workers = GENERATE(0, 2, 3, 7);
  const int depth = GENERATE_COPY(workers == 0 ? 0 : 1, workers);
  Loader one(dataset, transforms, options, feeds, 2), many(dataset, transforms, options, feeds, depth, workers);
  CHECK(many.buffer_bytes() / (depth + 1) == one.buffer_bytes() / 3);
  const auto check_steps = [&](int steps) {
    for (int n = 0; n < steps; ++n) {
      const Batch* ahead = n % 2 == 0 ? many.peek() : nullptr;
      const Batch &expected = one.next(), &found = many.next();
      CHECK((ahead == &found || n % 2 != 0 || workers == 0));
      CHECK(found.epoch == expected.epoch);
      CHECK(found.step == expected.step);
      CHECK(copy<float>(found, 0, 8 * pixels) == copy<float>(expected, 0, 8 * pixels));
      CHECK(copy<std::int32_t>(found, 1, 8) == copy<std::int32_t>(expected, 1, 8));
    }
  };
  check_steps(20);
  for (int i = 0; i < 100; ++i) {
    one.seek(i % 3, i % 7);
    many.seek(i % 3, i % 7);
    check_steps(i % 3);
  }
}

TEST_CASE("What goes wrong while a batch is made is thrown by next, after the batches before it") {
  const FailingDataset dataset(20, shape);
  const TransformPipeline transforms = augmenting(dataset);
  const int workers = GENERATE(0, 1, 4);
  Loader loader(dataset, transforms, {.batch_size = 3}, {images(0, 3)}, workers, workers);
  CHECK(loader.next().step == 0);
  CHECK(loader.next().step == 1);
  CHECK(loader.peek() == nullptr);
  CHECK_THROWS_WITH(loader.next(), "sample 7 is damaged");
  CHECK_THROWS_WITH(loader.next(), "sample 7 is damaged");
  loader.seek(0, 3);
  CHECK(loader.next().step == 3);
}

TEST_CASE("A sample is decoded once for all feeds that hold it, and not at all for labels alone") {
  const FailingDataset dataset(8, shape);
  const TransformPipeline transforms = augmenting(dataset);
  BatchAssembler both(dataset, transforms, {.batch_size = 4},
                      {images(0, 2), images(1, 2), images(0, 2, DType::f64), labels(0, 4)});
  Batch batch = both.make_batch();
  both.fill(batch, 0, 0);
  CHECK(dataset.reads == 3);
  BatchAssembler only_labels(dataset, transforms, {.batch_size = 4}, {labels(0, 4)});
  batch = only_labels.make_batch();
  only_labels.fill(batch, 0, 1);
  CHECK(dataset.reads == 3);
  CHECK(batch.data<std::int32_t>(0)[3] == 7);
}

TEST_CASE("Flat vectors and float targets are fed as they are") {
  const Setting setting = mapping({{"type", Setting::of("SyntheticDataset")},
                                   {"shape", numbers({5})},
                                   {"target_shape", numbers({2})},
                                   {"size", Setting::of(7)}});
  const auto dataset = open_dataset(setting, "train_data.dataset");
  const TransformPipeline none(*dataset, setting, "train_data.dataset", 0);
  CHECK(none.output_shape() == std::vector<std::int64_t>{5});
  Loader loader(*dataset, none, {.batch_size = 4},
                {images(0, 4), {FeedField::targets, 0, 4, DType::f64}, images(2, 2, DType::f64), labels(0, 4)}, 1);
  loader.seek(0, 1);
  const Batch& batch = loader.next();
  CHECK(batch.valid == 3);
  std::vector<float> input(5), target(2);
  dataset->read_values(6, input);
  dataset->read_target(6, target);
  CHECK(std::equal(input.begin(), input.end(), batch.data<float>(0) + 10));
  CHECK(std::equal(input.begin(), input.end(), batch.data<double>(2)));
  CHECK(std::equal(target.begin(), target.end(), batch.data<double>(1) + 4));
  CHECK(copy<double>(batch, 1, 8)[7] == 0);
  CHECK(copy<float>(batch, 0, 20)[19] == 0);
  CHECK(copy<std::int32_t>(batch, 3, 4) == std::vector<std::int32_t>{0, 0, 0, -1});

  const Setting transformed = mapping({{"type", Setting::of("SyntheticDataset")},
                                       {"transform_pipeline", Setting::of(std::vector<Setting>(1, mapping({})))}});
  CHECK_THAT(usage_message([&] { TransformPipeline(*dataset, transformed, "train_data.dataset", 0); }),
             Catch::Contains("only images take transforms"));
}

TEST_CASE("After its first steps a loader allocates nothing") {
  const PatternDataset dataset(64, shape);
  const TransformPipeline transforms = augmenting(dataset);
  Loader loader(dataset, transforms, {.batch_size = 8, .shuffle = true}, {images(0, 8), labels(0, 8)}, 2);
  for (int n = 0; n < 4; ++n) loader.next();
  const std::int64_t before = allocation_count().own_calls;
  for (int n = 0; n < 40; ++n) loader.next();
  loader.seek(5, 3);
  loader.next();
  CHECK(allocation_count().own_calls == before);
}

TEST_CASE("Rows behind the end of the global batch are padding, also where there are more samples") {
  const PatternDataset dataset(8, shape);
  const TransformPipeline transforms = augmenting(dataset);
  BatchAssembler assembler(dataset, transforms, {.batch_size = 4}, {images(3, 2), labels(3, 2)});
  Batch batch = assembler.make_batch();
  assembler.fill(batch, 0, 0);
  CHECK(batch.data<std::int32_t>(1)[0] == 3);
  CHECK(batch.data<std::int32_t>(1)[1] == -1);
  const std::vector<float> rows = copy<float>(batch, 0, 2 * pixels);
  CHECK(std::all_of(rows.begin() + pixels, rows.end(), [](float x) { return x == 0; }));
}

TEST_CASE("Feeds that cannot be served are internal errors") {
  const PatternDataset dataset(8, shape);
  const TransformPipeline transforms = augmenting(dataset);
  const auto make = [&](Feed feed) { BatchAssembler(dataset, transforms, {.batch_size = 4}, {feed}); };
  CHECK_THROWS_WITH(make(images(-1, 3)), Catch::Contains("3 rows from row -1"));
  CHECK_THROWS_WITH(make(images(0, 1, DType::i32)), Catch::Contains("int32"));
  CHECK_THROWS_WITH(make({FeedField::targets, 0, 1, DType::f32}), Catch::Contains("labels, not float targets"));
}
