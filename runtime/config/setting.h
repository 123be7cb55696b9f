// A resolved configuration: a tree of values, each of which knows where it was written, so that a problem found late
// (a missing data folder, a width that does not divide) is still told with file:line:column.
// The schema (runtime/config/schema.h) has checked types and filled in defaults before anyone sees such a tree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ctrain {

struct Location {
  std::string file;  // "--set" and the like for the command line
  int line = 0;      // from 1; 0: no line (command line, defaults)
  int column = 0;
  [[nodiscard]] std::string text() const;  // "file:line:column", or "file" where there is no line
};

class Setting {
 public:
  enum class Kind { null, boolean, integer, real, text, list, mapping };
  using Member = std::pair<std::string, Setting>;  // key, value

  Setting() = default;
  static Setting of(bool value);
  static Setting of(std::int64_t value);
  static Setting of(int value) { return of(static_cast<std::int64_t>(value)); }
  static Setting of(double value);
  static Setting of(std::string value);
  static Setting of(const char* value) { return of(std::string(value)); }  // otherwise a bool
  static Setting of(std::vector<Setting> items);
  static Setting of(std::vector<Member> members);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::size_t count() const;  // of the values in it, itself included
  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }

  // The value; throws an internal error where the kind is another one (the schema has checked it).
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::int64_t integer() const;
  [[nodiscard]] double real() const;  // of an integer too
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] const std::vector<Setting>& list() const;
  [[nodiscard]] const std::vector<Member>& members() const;
  [[nodiscard]] std::vector<Setting>& list();
  [[nodiscard]] std::vector<Member>& members();

  // Members by path: setting["model"]["depth"] or setting.at("model.depth").
  [[nodiscard]] const Setting& operator[](std::string_view key) const;  // throws where there is none
  [[nodiscard]] const Setting* find(std::string_view key) const;        // nullptr where there is none
  [[nodiscard]] const Setting& at(std::string_view path) const;
  [[nodiscard]] const Setting* find_path(std::string_view path) const;  // "hooks.0.type": items of a list by number
  [[nodiscard]] Setting* find(std::string_view key);
  [[nodiscard]] Setting* find_path(std::string_view path);
  [[nodiscard]] bool has(std::string_view key) const;  // a member that stands there and is not null
  void set(std::string_view key, Setting value);       // adds or replaces a member

  [[nodiscard]] const Location& location() const { return location_; }          // of the value
  [[nodiscard]] const Location& key_location() const { return key_location_; }  // of its key
  void place(Location value, Location key);

  // One line as a user would write it: 0.1, adamw, [1, 2], {size: 4, mode: 2d}.
  [[nodiscard]] std::string inline_text() const;

  // Same kinds, values and order; where they were written does not matter.
  friend bool operator==(const Setting& a, const Setting& b);

 private:
  Kind kind_ = Kind::null;
  bool boolean_ = false;
  std::int64_t integer_ = 0;
  double real_ = 0;
  std::string text_;
  std::vector<Setting> list_;
  std::vector<Member> members_;
  Location location_, key_location_;
};

// Problems of one configuration, told all at once: add them, then throw one usage Error that lists them.
class Problems {
 public:
  // "file:line:column: key.path: 'value': expected ...; did you mean ...?"
  void add(const Location& at, std::string_view key, std::string_view value, std::string_view expected,
           std::string_view nearest = "");
  void add(const Setting& at, std::string_view key, std::string_view expected, std::string_view nearest = "");
  // "file:line:column: key.path: 'value': reason", for what no other value would mend.
  void refuse(const Location& at, std::string_view key, std::string_view value, std::string_view reason);
  void refuse(const Setting& at, std::string_view key, std::string_view reason);
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  void throw_if_any() const;

 private:
  std::vector<Location> places_;  // of the lines; both in the order of the file, with the command line at the end
  std::vector<std::string> lines_;
};

}  // namespace ctrain
