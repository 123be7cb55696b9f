#include "runtime/config/setting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>
#include <utility>

#include "memory/error.h"
#include "runtime/config/scalar.h"

namespace ctrain {
namespace {

const char* kind_name(Setting::Kind kind) {
  switch (kind) {
    case Setting::Kind::null:
      return "null";
    case Setting::Kind::boolean:
      return "a boolean";
    case Setting::Kind::integer:
      return "an integer";
    case Setting::Kind::real:
      return "a real number";
    case Setting::Kind::text:
      return "text";
    case Setting::Kind::list:
      return "a list";
    case Setting::Kind::mapping:
      return "a mapping";
  }
  return "?";
}

void require_kind(const Setting& setting, Setting::Kind expected) {
  if (setting.kind() == expected) return;  // the message is costly
  require(false, "{}: {} is read as {}, but is {}", setting.location().text(), setting.inline_text(),
          kind_name(expected), kind_name(setting.kind()));
}

// Long values are cut in messages: the location says where the whole stands.
std::string shortened(std::string text) {
  constexpr std::size_t longest = 80;
  if (text.size() <= longest) return text;
  std::size_t end = longest - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // never inside a UTF-8 character
  return text.substr(0, end) + "...";
}

}  // namespace

std::string Location::text() const { return line > 0 ? fmt::format("{}:{}:{}", file, line, column) : file; }

Setting Setting::of(bool value) {
  Setting setting;
  setting.kind_ = Kind::boolean;
  setting.boolean_ = value;
  return setting;
}

Setting Setting::of(std::int64_t value) {
  Setting setting;
  setting.kind_ = Kind::integer;
  setting.integer_ = value;
  return setting;
}

Setting Setting::of(double value) {
  Setting setting;
  setting.kind_ = Kind::real;
  setting.real_ = value;
  return setting;
}

Setting Setting::of(std::string value) {
  Setting setting;
  setting.kind_ = Kind::text;
  setting.text_ = std::move(value);
  return setting;
}

Setting Setting::of(std::vector<Setting> items) {
  Setting setting;
  setting.kind_ = Kind::list;
  setting.list_ = std::move(items);
  return setting;
}

Setting Setting::of(std::vector<Member> members) {
  Setting setting;
  setting.kind_ = Kind::mapping;
  setting.members_ = std::move(members);
  return setting;
}

std::size_t Setting::count() const {
  std::size_t total = 1;
  for (const auto& item : list_) total += item.count();
  for (const auto& member : members_) total += member.second.count();
  return total;
}

bool Setting::boolean() const {
  require_kind(*this, Kind::boolean);
  return boolean_;
}

std::int64_t Setting::integer() const {
  require_kind(*this, Kind::integer);
  return integer_;
}

double Setting::real() const {
  if (kind_ == Kind::integer) return static_cast<double>(integer_);
  require_kind(*this, Kind::real);
  return real_;
}

const std::string& Setting::text() const {
  require_kind(*this, Kind::text);
  return text_;
}

const std::vector<Setting>& Setting::list() const {
  require_kind(*this, Kind::list);
  return list_;
}

const std::vector<Setting::Member>& Setting::members() const {
  require_kind(*this, Kind::mapping);
  return members_;
}

std::vector<Setting>& Setting::list() {
  require_kind(*this, Kind::list);
  return list_;
}

std::vector<Setting::Member>& Setting::members() {
  require_kind(*this, Kind::mapping);
  return members_;
}

const Setting* Setting::find(std::string_view key) const {
  for (const auto& [name, value] : members_)
    if (name == key) return &value;
  return nullptr;
}

const Setting& Setting::operator[](std::string_view key) const {
  const Setting* member = find(key);
  if (member == nullptr) require(false, "{}: {} has no '{}'", location_.text(), inline_text(), key);
  return *member;
}

const Setting* Setting::find_path(std::string_view path) const {
  const Setting* setting = this;
  while (setting != nullptr && !path.empty()) {
    const std::string_view key = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), key.size() + 1));
    if (setting->kind_ == Kind::list) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
      const bool valid = error == std::errc() && end == key.data() + key.size() && index < setting->list_.size();
      setting = valid ? &setting->list_[index] : nullptr;
    } else {
      setting = setting->find(key);
    }
  }
  return setting;
}

Setting* Setting::find(std::string_view key) { return const_cast<Setting*>(std::as_const(*this).find(key)); }

Setting* Setting::find_path(std::string_view path) {
  return const_cast<Setting*>(std::as_const(*this).find_path(path));
}

const Setting& Setting::at(std::string_view path) const {
  const Setting* setting = find_path(path);
  require(setting != nullptr, "{}: the configuration has no '{}'", location_.text(), path);
  return *setting;
}

bool Setting::has(std::string_view key) const {
  const Setting* member = find(key);
  return member != nullptr && !member->is_null();
}

void Setting::set(std::string_view key, Setting value) {
  require_kind(*this, Kind::mapping);
  for (auto& [name, member] : members_) {
    if (name == key) {
      member = std::move(value);
      return;
    }
  }
  members_.emplace_back(key, std::move(value));
}

void Setting::place(Location value, Location key) {
  location_ = std::move(value);
  key_location_ = std::move(key);
}

std::string Setting::inline_text() const {
  switch (kind_) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return boolean_ ? "true" : "false";
    case Kind::integer:
      return fmt::format("{}", integer_);
    case Kind::real:
      return real_text(real_);
    case Kind::text:
      return quoted_where_needed(text_);
    case Kind::list: {
      std::vector<std::string> items;
      for (const auto& item : list_) items.push_back(item.inline_text());
      return fmt::format("[{}]", fmt::join(items, ", "));
    }
    case Kind::mapping: {
      std::vector<std::string> items;
      for (const auto& [key, value] : members_) items.push_back(quoted_where_needed(key) + ": " + value.inline_text());
      return fmt::format("{{{}}}", fmt::join(items, ", "));
    }
  }
  return "";
}

bool operator==(const Setting& a, const Setting& b) {
  const bool same_real = a.real_ == b.real_ || (std::isnan(a.real_) && std::isnan(b.real_));
  return a.kind_ == b.kind_ && a.boolean_ == b.boolean_ && a.integer_ == b.integer_ && same_real &&
         a.text_ == b.text_ && a.list_ == b.list_ && a.members_ == b.members_;
}

void Problems::refuse(const Location& at, std::string_view key, std::string_view value, std::string_view reason) {
  std::string line = at.text();
  if (!key.empty()) line += fmt::format(": {}", key);
  if (!value.empty()) line += fmt::format(": '{}'", shortened(std::string(value)));
  const auto earlier = [](const Location& a, const Location& b) {
    return std::tuple(a.line == 0, a.line, a.column) < std::tuple(b.line == 0, b.line, b.column);
  };
  const auto next = std::upper_bound(places_.begin(), places_.end(), at, earlier);
  lines_.insert(lines_.begin() + (next - places_.begin()), fmt::format("{}: {}", line, reason));
  places_.insert(next, at);
}

void Problems::refuse(const Setting& at, std::string_view key, std::string_view reason) {
  refuse(at.location(), key, at.kind() == Setting::Kind::text ? at.text() : at.inline_text(), reason);
}

void Problems::add(const Location& at, std::string_view key, std::string_view value, std::string_view expected,
                   std::string_view nearest) {
  std::string reason = fmt::format("expected {}", expected);
  if (!nearest.empty()) reason += fmt::format("; did you mean '{}'?", nearest);
  refuse(at, key, value, reason);
}

void Problems::add(const Setting& at, std::string_view key, std::string_view expected, std::string_view nearest) {
  add(at.location(), key, at.kind() == Setting::Kind::text ? at.text() : at.inline_text(), expected, nearest);
}

void Problems::throw_if_any() const {
  if (lines_.empty()) return;
  if (lines_.size() == 1) throw usage_error("{}", lines_.front());
  throw usage_error("{} problems in the configuration:\n  {}", lines_.size(), fmt::join(lines_, "\n  "));
}

}  // namespace ctrain
