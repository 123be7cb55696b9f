#include "fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

std::unique_ptr<Dataset> open(std::vector<Setting::Member> arguments) {
  arguments.insert(arguments.begin(), {"type", Setting::of("SyntheticDataset")});
  return open_dataset(mapping(std::move(arguments)), "train_data.dataset");
}

std::vector<float> values(const Dataset& dataset, std::int64_t index) {
  std::vector<float> result(static_cast<std::size_t>(element_count(dataset.facts().input_shape)));
  dataset.read_values(index, result);
  return result;
}

}  // namespace

TEST_CASE("Synthetic samples depend on seed and index alone, and classes can be told apart") {
  const auto dataset =
      open({{"shape", numbers({3, 8, 7})}, {"num_classes", Setting::of(4)}, {"size", Setting::of(400)}});
  const auto again = open({{"shape", numbers({3, 8, 7})}, {"num_classes", Setting::of(4)}, {"size", Setting::of(400)}});
  const auto other = open({{"shape", numbers({3, 8, 7})}, {"num_classes", Setting::of(4)}, {"seed", Setting::of(1)}});
  CHECK(dataset->size() == 400);
  CHECK(other->size() == 1024);
  CHECK(dataset->facts().input_shape == std::vector<std::int64_t>{3, 8, 7});
  CHECK(values(*dataset, 17) == values(*again, 17));
  CHECK(values(*dataset, 17) != values(*dataset, 18));
  CHECK(values(*dataset, 17) != values(*other, 17));

  // Class means of one seed classify the samples of another.
  const std::size_t elements = 3 * 8 * 7;
  std::vector<std::vector<double>> means(4, std::vector<double>(elements));
  for (std::int64_t i = 0; i < 400; ++i) {
    const std::vector<float> sample = values(*dataset, i);
    for (std::size_t k = 0; k < elements; ++k) means[static_cast<std::size_t>(dataset->label(i))][k] += sample[k] / 100;
  }
  int right = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    const std::vector<float> sample = values(*other, i);
    std::vector<double> distance(4);
    for (std::size_t c = 0; c < 4; ++c) {
      for (std::size_t k = 0; k < elements; ++k) distance[c] += (sample[k] - means[c][k]) * (sample[k] - means[c][k]);
    }
    right += std::min_element(distance.begin(), distance.end()) - distance.begin() == other->label(i);
  }
  CHECK(right > 380);
}

TEST_CASE("Synthetic targets are a linear function of the inputs") {
  const auto dataset = open({{"shape", numbers({6})}, {"target_shape", numbers({2, 4})}});
  CHECK_FALSE(dataset->has_labels());
  CHECK(dataset->facts().target_shape == std::vector<std::int64_t>{2, 4});
  const std::vector<float> x = values(*dataset, 5);
  std::vector<float> target(8);
  dataset->read_target(5, target);
  for (std::size_t j = 0; j < 8; ++j) CHECK(target[j] == Approx((x[j % 6] - x[(j + 1) % 6]) / 2));
}

TEST_CASE("Bad arguments of a synthetic dataset are usage errors with their place") {
  CHECK_THAT(usage_message([] { open({}); }), StartsWith("job.yaml:7:5: train_data.dataset: 'shape' is missing"));
  CHECK_THAT(usage_message([] {
               open({{"shape", numbers({3, 32})}});
             }),
             StartsWith("job.yaml:9:11: train_data.dataset.shape: [3, 32]: expected [channels, height, width]"));
  CHECK_THAT(usage_message([] { open({{"shape", numbers({0})}}); }), Contains("extents must be positive"));
  CHECK_THAT(usage_message([] { open({{"shape", numbers({2, 1 << 20, 1 << 20})}}); }), Contains("not exceed"));
  CHECK_THAT(usage_message([] {
               open({{"shape", numbers({8})}, {"size", Setting::of(0)}});
             }),
             StartsWith("job.yaml:10:11: train_data.dataset.size: 0: expected 1 to"));
  CHECK_THAT(usage_message([] {
               open({{"shape", numbers({8})}, {"size", Setting::of("many")}});
             }),
             Contains("'many': expected an integer"));
  CHECK_THAT(usage_message([] {
               open({{"shape", numbers({8})}, {"num_classes", Setting::of(2)}, {"target_shape", numbers({2})}});
             }),
             Contains("not both"));
}

TEST_CASE("Synthetic tokens follow a rule with noise, and depend on seed and index alone") {
  const auto arguments = [](std::int64_t seed) {
    return std::vector<Setting::Member>{
        {"vocab_size", Setting::of(61)}, {"seq_len", Setting::of(13)}, {"seed", Setting::of(seed)}};
  };
  const auto dataset = open(arguments(0)), other = open(arguments(1));
  CHECK(dataset->facts().form == InputForm::tokens);
  CHECK(dataset->facts().input_shape == std::vector<std::int64_t>{13});
  CHECK(dataset->facts().num_classes == 61);
  CHECK(dataset->size() == 1024);
  const auto tokens = [](const Dataset& from, std::int64_t index) {
    std::vector<std::int32_t> result(14);
    from.read_tokens(index, result);
    return result;
  };
  CHECK(tokens(*dataset, 3) == tokens(*open(arguments(0)), 3));
  CHECK(tokens(*dataset, 3) != tokens(*dataset, 4));
  CHECK(tokens(*dataset, 3) != tokens(*other, 3));
  std::vector<int> noise(3);
  for (std::int64_t index = 0; index < 100; ++index) {
    const std::vector<std::int32_t> sequence = tokens(*dataset, index);
    for (std::size_t i = 0; i < 13; ++i) {
      const int found = (sequence[i + 1] - (5 * sequence[i] + 7) % 61 + 61) % 61;
      REQUIRE(found < 3);
      ++noise[static_cast<std::size_t>(found)];
    }
  }
  for (const int count : noise) CHECK(std::abs(count - 1300 / 3) < 100);
  CHECK_THAT(usage_message([&] { open({{"vocab_size", Setting::of(61)}}); }), Contains("seq_len"));
}
