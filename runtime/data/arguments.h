// The arguments of one dataset or transform: its mapping in the configuration together with the path of its key, so
// that a problem with the data is told as "file:line:column: train_data.dataset.root: ...". Long work is told as well.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "memory/error.h"
#include "runtime/config/setting.h"
#include "runtime/console/logger.h"

namespace ctrain {

class Arguments {
 public:
  // `key`: where the mapping stands, as "train_data.dataset" or "train_data.dataset.transform_pipeline.2".
  // The setting and the logger must outlive this object; nullptr: work is done silently.
  Arguments(const Setting& setting, std::string_view key, const Logger* logger = nullptr)
      : setting_(setting), key_(key), logger_(logger) {}

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] bool has(std::string_view name) const { return setting_.has(name); }
  [[nodiscard]] const Setting& setting(std::string_view name) const { return setting_[name]; }

  // The value of one argument, or `fallback` where it is not given; a usage error where it is of another kind.
  [[nodiscard]] bool boolean(std::string_view name, bool fallback) const;
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t fallback) const;
  [[nodiscard]] double real(std::string_view name, double fallback) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view fallback) const;

  // A list, or one value, which stands for a list of one; a usage error where it is missing.
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view name) const;
  [[nodiscard]] std::vector<double> reals(std::string_view name) const;

  [[nodiscard]] std::vector<std::string> texts(std::string_view name) const;

  [[nodiscard]] const Logger* logger() const { return logger_; }

  // A usage error that begins with the location and the key of argument `name`; of the whole mapping where `name` is
  // empty or was not given.
  [[nodiscard]] Error error(std::string_view name, std::string_view message) const;

 private:
  [[nodiscard]] const Setting* find(std::string_view name) const;  // nullptr where missing or null
  [[nodiscard]] Error wrong_kind(std::string_view name, std::string_view expected) const;

  const Setting& setting_;
  std::string key_;
  const Logger* logger_;
};

}  // namespace ctrain
