#include "runtime/config/apply_schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "runtime/config/nearest.h"
#include "runtime/config/schema.h"

namespace ctrain {
namespace {

using Kind = Setting::Kind;
using Form = Type::Form;

constexpr const char* not_built = "is not built yet in this version";

template <typename Row>
std::vector<std::string> built_names(const std::vector<Row>& rows, std::string Row::*name) {
  std::vector<std::string> names;
  for (const Row& row : rows)
    if (row.built) names.push_back(row.*name);
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string join(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

class Checker {
 public:
  Checker(Problems& problems, bool references_failed) : problems_(problems), references_failed_(references_failed) {}

  // The value in its full form; nothing where it is wrong, which has then been reported.
  std::optional<Setting> check(const Type& type, Setting value, const std::string& path) {
    if (references_failed_ && value.kind() == Kind::text && value.text().find("${") != std::string::npos)
      return std::nullopt;  // reported with the references
    if (value.is_null() && type.nullable) return value;
    expand_shorthand(value, type);
    switch (type.form) {
      case Form::boolean:
        return check_boolean(type, value, path);
      case Form::integer:
      case Form::real:
        return check_number(type, value, path);
      case Form::text:
        return check_text(type, value, path);
      case Form::list:
        return check_list(type, value, path);
      case Form::mapping:
        if (value.kind() != Kind::mapping) return wrong(type, value, path);
        return type.item.empty() ? check_members(type.fields, value, path) : check_entries(type.item[0], value, path);
      case Form::component:
        return check_component(type, value, path);
    }
    return std::nullopt;
  }

  // All members by the rows of a table; unknown ones are reported except where `is_variable` takes them.
  template <typename IsVariable>
  Setting check_members(const std::vector<Field>& fields, const Setting& value, const std::string& path,
                        const IsVariable& is_variable) {
    std::map<const Field*, const Setting::Member*> written;
    for (const Setting::Member& member : value.members()) {
      const Field* field = find_field(fields, member.first);
      if (field == nullptr) {
        if (!is_variable(member)) report_unknown(fields, member, path);
      } else if (const auto [first, is_new] = written.emplace(field, &member); !is_new) {
        problems_.refuse(member.second.key_location(), join(path, member.first), member.second.inline_text(),
                         fmt::format("this is the same key as '{}' at {}; expected one of them", first->second->first,
                                     first->second->second.key_location().text()));
      }
    }
    Setting result = Setting::of(std::vector<Setting::Member>{});
    result.place(value.location(), value.key_location());
    for (const Field& field : fields) {
      const auto found = written.find(&field);
      const Setting* given = found == written.end() ? nullptr : &found->second->second;
      auto member = check_member(field, given, value.location(), join(path, field.name));
      if (member) result.members().emplace_back(field.name, std::move(*member));
    }
    return result;
  }

 private:
  std::nullopt_t wrong(const Type& type, const Setting& value, const std::string& path, const std::string& near = "") {
    problems_.add(value, path, describe(type), near);
    return std::nullopt;
  }

  Setting check_members(const std::vector<Field>& fields, const Setting& value, const std::string& path) {
    return check_members(fields, value, path, [](const Setting::Member&) { return false; });
  }

  std::optional<Setting> check_member(const Field& field, const Setting* given, const Location& above,
                                      const std::string& path) {
    const bool optional = field.fallback == absent;
    // `key:` with nothing behind it is no value; but a scalar that has a default and is no list must not become it
    // silently.
    const bool scalar =
        field.type.form != Form::list && field.type.form != Form::mapping && field.type.form != Form::component;
    const bool left_out = given == nullptr || (given->is_null() && !field.type.nullable && (optional || !scalar));
    if (!field.built) return refuse_unbuilt(field, left_out ? nullptr : given, path);
    if (left_out) {
      if (optional) return std::nullopt;
      if (field.fallback == required) {
        problems_.refuse(given == nullptr ? above : given->location(), path, "",
                         fmt::format("is missing; expected {}", describe(field.type)));
        return std::nullopt;
      }
    }
    Setting value = left_out ? default_of(field) : *given;
    if (left_out) value.place(above, above);
    auto checked = check(field.type, std::move(value), path);
    if (checked && left_out) checked->place(above, above);
    if (checked && !field.built_values.empty() && !contains(field.built_values, checked->inline_text())) {
      problems_.refuse(*checked, path,
                       fmt::format("{} (only {} is)", not_built, fmt::join(field.built_values, " or ")));
      return std::nullopt;
    }
    return checked;
  }

  std::optional<Setting> refuse_unbuilt(const Field& field, const Setting* given, const std::string& path) {
    if (given != nullptr && !contains(field.built_values, given->inline_text()))
      problems_.refuse(*given, path, not_built);
    return std::nullopt;
  }

  void report_unknown(const std::vector<Field>& fields, const Setting::Member& member, const std::string& path) {
    std::vector<std::string> names;
    for (const Field& field : fields) {
      names.push_back(field.name);
      names.insert(names.end(), field.synonyms.begin(), field.synonyms.end());
    }
    const std::string near = nearest(member.first, names);
    std::string expected = "a known key";
    if (near.empty() && !path.empty() && !fields.empty())
      expected = fmt::format("one of the keys {}", fmt::join(built_names(fields, &Field::name), ", "));
    if (fields.empty()) expected = "no arguments here";
    const Setting& value = member.second;
    const std::string text = value.kind() == Kind::text ? value.text() : value.inline_text();
    problems_.add(value.key_location(), join(path, member.first), text, expected, near);
  }

  std::optional<Setting> check_boolean(const Type& type, const Setting& value, const std::string& path) {
    if (value.kind() == Kind::boolean) return value;
    std::string near;
    const std::string written = value.inline_text();
    for (const char* yes : {"\"yes\"", "\"Yes\"", "\"on\"", "\"On\"", "1"})
      if (written == yes) near = "true";
    for (const char* no : {"\"no\"", "\"No\"", "\"off\"", "\"Off\"", "0"})
      if (written == no) near = "false";
    return wrong(type, value, path, near);
  }

  std::optional<Setting> check_number(const Type& type, const Setting& value, const std::string& path) {
    const bool whole = type.form == Form::integer;
    const bool right_kind = value.kind() == Kind::integer || (!whole && value.kind() == Kind::real);
    if (!right_kind) {
      const bool nearly =
          value.kind() == Kind::real && std::abs(value.real()) < 1e15 && value.real() == std::floor(value.real());
      return wrong(type, value, path, nearly ? fmt::format("{:.0f}", value.real()) : "");
    }
    const double number = value.real();
    const bool in_range = std::isfinite(number) && number >= type.least &&
                          (type.most_excluded ? number < type.most : number <= type.most);
    if (!in_range) return wrong(type, value, path);
    if (whole) return value;
    Setting real = Setting::of(number);
    real.place(value.location(), value.key_location());
    return real;
  }

  std::optional<Setting> check_text(const Type& type, const Setting& value, const std::string& path) {
    const bool is_text = value.kind() == Kind::text;
    const std::vector<std::string> choices = choices_of(type);
    if (choices.empty()) {
      if (is_text) return value;
      problems_.add(value, path, "text (in quotes, where it looks like something else)");
      return std::nullopt;
    }
    const std::string written = is_text ? value.text() : value.inline_text();
    if (is_text && contains(choices, written)) return value;
    if (contains(type.later_choices, written)) {
      problems_.refuse(value, path, not_built);
      return std::nullopt;
    }
    return wrong(type, value, path, nearest(written, choices));
  }

  std::optional<Setting> check_list(const Type& type, const Setting& value, const std::string& path) {
    const bool lone = type.single && value.kind() != Kind::list && value.kind() != Kind::mapping;
    if (value.kind() != Kind::list && !lone) return wrong(type, value, path);
    const std::vector<Setting> items = lone ? std::vector<Setting>{value} : value.list();
    if (items.size() < type.fewest_items || items.size() > type.most_items) return wrong(type, value, path);
    Setting result = Setting::of(std::vector<Setting>{});
    result.place(value.location(), value.key_location());
    bool complete = true;
    for (std::size_t i = 0; i < items.size(); ++i) {
      auto item = check(type.item.front(), items[i], lone ? path : join(path, std::to_string(i)));
      complete = complete && item.has_value();
      if (item) result.list().push_back(std::move(*item));
    }
    // Lists of components stay useful for later checks without the wrong ones; lists of numbers do not.
    if (!complete && type.item.front().form != Form::component) return std::nullopt;
    return result;
  }

  Setting check_entries(const Type& item, const Setting& value, const std::string& path) {
    Setting result = Setting::of(std::vector<Setting::Member>{});
    result.place(value.location(), value.key_location());
    for (const auto& [key, entry] : value.members())
      if (auto checked = check(item, entry, join(path, key))) result.members().emplace_back(key, std::move(*checked));
    return result;
  }

  std::optional<Setting> check_component(const Type& type, const Setting& value, const std::string& path) {
    if (value.kind() != Kind::mapping) return wrong(type, value, path);
    const Setting* name = value.find("type");
    if (name == nullptr) {
      problems_.refuse(value, path, fmt::format("'type' is missing; expected {}", describe(type)));
      return std::nullopt;
    }
    if (references_failed_ && name->kind() == Kind::text && name->text().find("${") != std::string::npos)
      return std::nullopt;
    const Component* found = name->kind() == Kind::text ? find_component(type.family, name->text()) : nullptr;
    if (found == nullptr) {
      const std::string near = name->kind() == Kind::text
                                   ? nearest(name->text(), built_names(components_of(type.family), &Component::type))
                                   : "";
      return wrong(type, *name, join(path, "type"), near);
    }
    if (!found->built) {
      problems_.refuse(*name, join(path, "type"), not_built);
      return std::nullopt;
    }
    Setting result =
        check_members(found->fields, value, path, [](const Setting::Member& member) { return member.first == "type"; });
    result.members().insert(result.members().begin(), {"type", *name});
    return result;
  }

  Problems& problems_;
  bool references_failed_;
};

// The reserved key that an upper-case name was probably meant to be: DEPTH is nobody's misspelling, BATCHSIZE is.
std::string misspelt_key(const std::string& name) {
  if (contains(documented_variables(), name)) return "";
  for (const Field& field : root_fields()) {
    const std::size_t distance = edit_distance(name, field.name);
    const bool reserved_upper = is_variable_name(field.name);
    if (distance == 0 || (reserved_upper && distance <= (field.name.size() > 5 ? 2 : 1))) return field.name;
  }
  return "";
}

}  // namespace

Setting apply_schema(const Setting& written, const ReferenceResult& references, Problems& problems,
                     std::vector<std::string>& warnings) {
  if (written.kind() != Kind::mapping) {
    problems.add(written, "", "a mapping of keys such as model, train_data and optimizer");
    return Setting::of(std::vector<Setting::Member>{});
  }
  const auto is_variable = [&](const Setting::Member& member) {
    const auto& [name, value] = member;
    if (!is_variable_name(name) || !misspelt_key(name).empty()) return false;
    if (!references.used.contains(name))
      warnings.push_back(fmt::format("{}: {}: nothing uses this variable", value.key_location().text(), name));
    return true;
  };
  return Checker(problems, references.failed).check_members(root_fields(), written, "", is_variable);
}

}  // namespace ctrain
