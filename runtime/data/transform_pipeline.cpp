#include "runtime/data/transform_pipeline.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>

#include "ops/philox.h"

namespace ctrain {

TransformPipeline::TransformPipeline(const Dataset& dataset, const Setting& dataset_setting, std::string_view key,
                                     std::uint64_t seed)
    : output_shape_(dataset.facts().input_shape) {
  const Arguments arguments(dataset_setting, key);
  const bool given = arguments.has("transform_pipeline");
  if (given && arguments.setting("transform_pipeline").kind() != Setting::Kind::list) {
    throw arguments.error("transform_pipeline", "expected a list of transforms");
  }
  const std::vector<Setting> none;
  const std::vector<Setting>& list = given ? arguments.setting("transform_pipeline").list() : none;
  if (dataset.facts().form != InputForm::pixels) {
    if (!list.empty())
      throw arguments.error("transform_pipeline", "only images take transforms, and this dataset has none");
    return;
  }

  const auto extent = [&](std::size_t i) { return static_cast<int>(output_shape_[i]); };
  ImageShape shape{extent(0), extent(1), extent(2)};
  for (std::size_t i = 0; i < list.size(); ++i) {
    add(Arguments(list[i], fmt::format("{}.transform_pipeline.{}", key, i)), seed, shape);
  }
  if (!table_) {
    throw arguments.error("transform_pipeline", "expected ToTensor, which turns the images into the model's input");
  }
  output_shape_ = {shape.channels, shape.height, shape.width};
}

void TransformPipeline::add(const Arguments& arguments, std::uint64_t seed, ImageShape& shape) {
  const std::string type = arguments.text("type", "");
  if (type == "ToTensor") {
    if (table_) throw arguments.error("", "ToTensor stands here a second time");
    table_.emplace(shape.channels);
    return;
  }
  if (type == "Normalize") {
    if (!table_) throw arguments.error("", "Normalize works on floats: expected it after ToTensor");
    add_normalize(arguments, shape.channels);
    return;
  }
  const TransformFactory* factory = Registry<TransformFactory>::instance().find(type);
  if (factory == nullptr) {
    throw arguments.error("type", fmt::format("'{}' is no transform: expected ToTensor, Normalize or one of {}", type,
                                              fmt::join(Registry<TransformFactory>::instance().names(), ", ")));
  }
  if (table_) throw arguments.error("", type + " works on 8-bit images: expected it before ToTensor");
  const std::string purpose = fmt::format("transform.{}.{}", steps_.size(), type);
  steps_.push_back({factory->make(arguments, shape), random_key(seed, purpose)});
  shape = steps_.back().transform->output_shape();
}

void TransformPipeline::add_normalize(const Arguments& arguments, int channels) {
  const auto per_channel = [&](std::string_view name) {
    std::vector<double> values = arguments.reals(name);
    if (values.size() == 1) values.resize(static_cast<std::size_t>(channels), values[0]);
    if (values.size() != static_cast<std::size_t>(channels)) {
      throw arguments.error(name, fmt::format("{} values for images of {} channel{}: expected 1 or {}", values.size(),
                                              channels, channels == 1 ? "" : "s", channels));
    }
    return values;
  };
  const std::vector<double> mean = per_channel("mean"), std = per_channel("std");
  if (!std::all_of(std.begin(), std.end(), [](double value) { return value > 0; })) {
    throw arguments.error("std", "expected positive numbers");
  }
  table_->normalize(mean, std);
}

void TransformPipeline::transform(Workspace& workspace, std::uint64_t epoch, std::int64_t sample) const {
  for (const Step& step : steps_) {
    const RandomWords random = philox(random_key(step.key, "", epoch), static_cast<std::uint64_t>(sample));
    step.transform->apply(workspace.image, workspace.spare, random);
  }
}

}  // namespace ctrain
