#include "runtime/data/arguments.h"

#include <span>

namespace ctrain {
namespace {

bool is_number(const Setting& setting) {
  return setting.kind() == Setting::Kind::integer || setting.kind() == Setting::Kind::real;
}

// The items of a list, or the value itself as the only one.
std::span<const Setting> items(const Setting& setting) {
  return setting.kind() == Setting::Kind::list ? std::span(setting.list()) : std::span(&setting, 1);
}

}  // namespace

bool Arguments::boolean(std::string_view name, bool fallback) const {
  const Setting* value = find(name);
  if (value == nullptr) return fallback;
  if (value->kind() != Setting::Kind::boolean) throw wrong_kind(name, "true or false");
  return value->boolean();
}

std::int64_t Arguments::integer(std::string_view name, std::int64_t fallback) const {
  const Setting* value = find(name);
  if (value == nullptr) return fallback;
  if (value->kind() != Setting::Kind::integer) throw wrong_kind(name, "an integer");
  return value->integer();
}

double Arguments::real(std::string_view name, double fallback) const {
  const Setting* value = find(name);
  if (value == nullptr) return fallback;
  if (!is_number(*value)) throw wrong_kind(name, "a number");
  return value->real();
}

std::string Arguments::text(std::string_view name, std::string_view fallback) const {
  const Setting* value = find(name);
  if (value == nullptr) return std::string(fallback);
  if (value->kind() != Setting::Kind::text) throw wrong_kind(name, "a text");
  return value->text();
}

std::vector<std::int64_t> Arguments::integers(std::string_view name) const {
  const Setting* value = find(name);
  if (value == nullptr) throw error(name, fmt::format("'{}' is missing: expected an integer or a list of them", name));
  std::vector<std::int64_t> result;
  for (const Setting& item : items(*value)) {
    if (item.kind() != Setting::Kind::integer) throw wrong_kind(name, "an integer or a list of them");
    result.push_back(item.integer());
  }
  return result;
}

std::vector<double> Arguments::reals(std::string_view name) const {
  const Setting* value = find(name);
  if (value == nullptr) throw error(name, fmt::format("'{}' is missing: expected a number or a list of them", name));
  std::vector<double> result;
  for (const Setting& item : items(*value)) {
    if (!is_number(item)) throw wrong_kind(name, "a number or a list of them");
    result.push_back(item.real());
  }
  return result;
}

std::vector<std::string> Arguments::texts(std::string_view name) const {
  const Setting* value = find(name);
  if (value == nullptr) throw error(name, fmt::format("'{}' is missing: expected a text or a list of them", name));
  std::vector<std::string> result;
  for (const Setting& item : items(*value)) {
    if (item.kind() != Setting::Kind::text) throw wrong_kind(name, "a text or a list of them");
    result.push_back(item.text());
  }
  return result;
}

Error Arguments::error(std::string_view name, std::string_view message) const {
  const Setting* value = name.empty() ? nullptr : find(name);
  const bool placed = value != nullptr && !value->location().file.empty();  // a default stands nowhere
  const Location& at = (placed ? *value : setting_).location();
  const std::string place = at.file.empty() ? "" : at.text() + ": ";
  const std::string key = value == nullptr ? key_ : fmt::format("{}.{}", key_, name);
  return usage_error("{}{}: {}", place, key, message);
}

const Setting* Arguments::find(std::string_view name) const {
  const Setting* value = setting_.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Error Arguments::wrong_kind(std::string_view name, std::string_view expected) const {
  return error(name, fmt::format("'{}': expected {}", setting_[name].inline_text(), expected));
}

}  // namespace ctrain
