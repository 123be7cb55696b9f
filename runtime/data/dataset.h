// A dataset: numbered samples, each an input (an 8-bit image, or floats that need no transform) with a class label or a
// float target. Opening one reads and checks all that can be wrong with its files; every problem is a usage error that
// names the setting, the file and the sample, so that nothing has started when it is told.
//
// A new dataset is one file with a class and a Registration<DatasetFactory>.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/registry.h"
#include "runtime/data/arguments.h"
#include "runtime/data/image.h"

namespace ctrain {

enum class InputForm {
  pixels,  // an 8-bit image, which a TransformPipeline turns into floats
  values,  // floats that are the model's input as they are
  tokens,  // a sequence of token ids; the label of each is the token that comes next
};

struct DatasetFacts {
  std::int64_t size = 0;  // samples
  InputForm form = InputForm::pixels;
  std::vector<std::int64_t> input_shape;  // [channels, height, width], [features] or [tokens]
  std::int64_t num_classes = 0;  // labels (and tokens) are 0 ... num_classes - 1; 0: the samples have float targets
  std::vector<std::int64_t> target_shape;  // of the float target; empty where there are classes
};

// All members are const and may be called from many threads at once.
class Dataset {
 public:
  explicit Dataset(DatasetFacts facts) : facts_(std::move(facts)) {}
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  [[nodiscard]] const DatasetFacts& facts() const { return facts_; }
  [[nodiscard]] std::int64_t size() const { return facts_.size; }
  [[nodiscard]] bool has_labels() const { return facts_.num_classes > 0; }

  // The parts of sample `index`, 0 <= index < size(). A dataset has one of the first three, as facts().form says, and,
  // unless these are tokens, one of the other two, as has_labels() says; the rest are internal errors.
  virtual void read_image(std::int64_t index, Image& image) const;
  virtual void read_values(std::int64_t index, std::span<float> values) const;
  // One id more than the input has: the label of the last token. -1 from where the sample ends.
  virtual void read_tokens(std::int64_t index, std::span<std::int32_t> tokens) const;
  [[nodiscard]] virtual std::int32_t label(std::int64_t index) const;
  virtual void read_target(std::int64_t index, std::span<float> target) const;

  // Writes what turns the model's input and output into what people read, a text's tokenizer, into the folder with the
  // model. Nothing where people read the samples as they are.
  virtual void save_with_model(const std::filesystem::path& folder) const;

  // Bytes of text that the labels of all samples stand for; 0 where the samples are no text. Reads all of them.
  [[nodiscard]] virtual std::int64_t label_bytes() const;

 private:
  DatasetFacts facts_;
};

struct DatasetFactory {
  std::unique_ptr<Dataset> (*open)(const Arguments& arguments);
};

// Opens the dataset that the resolved mapping `setting` (`type` and its arguments) at configuration key `key`
// ("train_data.dataset") describes. What takes long is shown on the logger's console (nullptr: it is not).
std::unique_ptr<Dataset> open_dataset(const Setting& setting, std::string_view key, const Logger* logger = nullptr);

// Product of the extents.
std::int64_t element_count(std::span<const std::int64_t> shape);

}  // namespace ctrain
