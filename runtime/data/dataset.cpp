#include "runtime/data/dataset.h"

#include <fmt/ranges.h>

#include <functional>
#include <numeric>

namespace ctrain {

void Dataset::read_image(std::int64_t, Image&) const { require(false, "this dataset has no images"); }

void Dataset::read_values(std::int64_t, std::span<float>) const { require(false, "this dataset's inputs are images"); }

void Dataset::read_tokens(std::int64_t, std::span<std::int32_t>) const {
  require(false, "this dataset's inputs are not tokens");
}

std::int32_t Dataset::label(std::int64_t) const { throw running_error("internal error: this dataset has no labels"); }

void Dataset::read_target(std::int64_t, std::span<float>) const {
  require(false, "this dataset has class labels, not float targets");
}

void Dataset::save_with_model(const std::filesystem::path&) const {}

std::int64_t Dataset::label_bytes() const { return 0; }

std::unique_ptr<Dataset> open_dataset(const Setting& setting, std::string_view key, const Logger* logger) {
  const Arguments arguments(setting, key, logger);
  const std::string type = arguments.text("type", "");
  const DatasetFactory* factory = Registry<DatasetFactory>::instance().find(type);
  if (factory == nullptr) {
    throw arguments.error("type", fmt::format("'{}' is no dataset: expected one of {}", type,
                                              fmt::join(Registry<DatasetFactory>::instance().names(), ", ")));
  }
  return factory->open(arguments);
}

std::int64_t element_count(std::span<const std::int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace ctrain
