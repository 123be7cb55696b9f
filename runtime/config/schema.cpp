#include "runtime/config/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "memory/error.h"
#include "runtime/config/schema_tables.h"
#include "runtime/config/yaml_reader.h"

namespace ctrain {

namespace {

Type of_form(Type::Form form) {
  Type type;
  type.form = form;
  return type;
}

Type number(Type::Form form, double least, double most) {
  Type type = of_form(form);
  type.least = least;
  type.most = most;
  return type;
}

}  // namespace

Type boolean() { return of_form(Type::Form::boolean); }
Type integer(std::int64_t least, double most) { return number(Type::Form::integer, static_cast<double>(least), most); }
Type real(double least, double most) { return number(Type::Form::real, least, most); }
Type real_below(double least, double most) {
  Type type = real(least, most);
  type.most_excluded = true;
  return type;
}
Type text() { return of_form(Type::Form::text); }
Type registered_choice(std::vector<std::string> (*names)()) {
  Type type = of_form(Type::Form::text);
  type.registered = names;
  return type;
}
Type choice(std::vector<std::string> choices, std::vector<std::string> later) {
  Type type = text();
  type.choices = std::move(choices);
  type.later_choices = std::move(later);
  return type;
}
Type list_of(Type item, std::size_t fewest, std::size_t most) {
  Type type = of_form(Type::Form::list);
  type.item = {std::move(item)};
  type.fewest_items = fewest;
  type.most_items = most;
  return type;
}
Type one_or_list_of(Type item, std::size_t fewest, std::size_t most) {
  Type type = list_of(std::move(item), fewest, most);
  type.single = true;
  return type;
}
Type mapping(std::vector<Field> fields, std::string shorthand) {
  Type type = of_form(Type::Form::mapping);
  type.fields = std::move(fields);
  type.shorthand = std::move(shorthand);
  return type;
}

Type map_of(Type item) {
  Type type = of_form(Type::Form::mapping);
  type.item = {std::move(item)};
  return type;
}
Type component(std::string family) {
  Type type = of_form(Type::Form::component);
  type.family = std::move(family);
  return type;
}
Type nullable(Type type) {
  type.nullable = true;
  return type;
}
Field later(std::string name, Type type, std::vector<std::string> synonyms, std::vector<std::string> neutral) {
  return {std::move(name), std::move(type), absent, "", std::move(synonyms), std::move(neutral), false};
}
Component later_component(std::string type) { return {std::move(type), "", {}, false}; }

const std::vector<std::string>& families() {
  static const std::vector<std::string> names = {"model",        "dataset", "transform", "optimizer",
                                                 "lr_scheduler", "loss",    "hook",      "gradient_handler"};
  return names;
}

const std::vector<Component>& components_of(const std::string& family) {
  if (family == "model") return model_components();
  if (family == "dataset") return dataset_components();
  if (family == "transform") return transform_components();
  if (family == "optimizer") return optimizer_components();
  if (family == "lr_scheduler") return lr_scheduler_components();
  if (family == "loss") return loss_components();
  if (family == "hook") return hook_components();
  require(family == "gradient_handler", "there is no family of components '{}'", family);
  return gradient_handler_components();
}

bool is_variable_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name[0] >= 'A' && name[0] <= 'Z' && std::all_of(name.begin(), name.end(), fits);
}

std::vector<std::string> choices_of(const Type& type) {
  return type.registered != nullptr ? type.registered() : type.choices;
}

const Field* find_field(const std::vector<Field>& fields, std::string_view name_or_synonym) {
  for (const Field& field : fields) {
    const auto& synonyms = field.synonyms;
    if (field.name == name_or_synonym || std::find(synonyms.begin(), synonyms.end(), name_or_synonym) != synonyms.end())
      return &field;
  }
  return nullptr;
}

const Component* find_component(const std::string& family, std::string_view type) {
  for (const Component& candidate : components_of(family))
    if (candidate.type == type) return &candidate;
  return nullptr;
}

const std::vector<Field>* fields_of(const Type& type, const Setting& mapping) {
  if (type.form == Type::Form::mapping) return &type.fields;
  if (type.form != Type::Form::component) return nullptr;
  const Setting* name = mapping.find("type");
  if (name == nullptr || name->kind() != Setting::Kind::text) return nullptr;
  const Component* found = find_component(type.family, name->text());
  return found == nullptr ? nullptr : &found->fields;
}

void expand_shorthand(Setting& written, const Type& type) {
  using Kind = Setting::Kind;
  if (written.is_null() || written.kind() == Kind::mapping || written.kind() == Kind::list) return;
  const bool is_text = written.kind() == Kind::text;
  if (is_text && written.text().find("${") != std::string::npos) return;  // who knows what it will be
  std::string key = type.shorthand;
  if (type.form == Type::Form::component && is_text) key = "type";
  if (key.empty()) return;
  Setting expanded = Setting::of(std::vector<Setting::Member>{{key, written}});
  expanded.place(written.location(), written.key_location());
  written = std::move(expanded);
}

SettingPlace root_place(Setting& root) {
  static const Type type = mapping(root_fields());
  return {&root, &type, nullptr};
}

SettingPlace step_into(const SettingPlace& from, std::string_view key) {
  const Type* type = from.type;
  if (from.setting == nullptr) {  // nothing is written here, but the table may go on
    if (type == nullptr || type->form != Type::Form::mapping) return {};
    const Field* field = find_field(type->fields, key);
    return {nullptr, field == nullptr ? nullptr : &field->type, field};
  }
  Setting& setting = *from.setting;
  if (type != nullptr) expand_shorthand(setting, *type);
  if (setting.kind() == Setting::Kind::list) {
    const bool known = type != nullptr && type->form == Type::Form::list;
    return {setting.find_path(key), known ? &type->item.front() : nullptr, nullptr};
  }
  const std::vector<Field>* fields = type == nullptr ? nullptr : fields_of(*type, setting);
  const Field* field = fields == nullptr ? nullptr : find_field(*fields, key);
  const Type* field_type = field == nullptr ? nullptr : &field->type;
  if (setting.kind() != Setting::Kind::mapping) return {nullptr, field_type, field};
  for (auto& [name, value] : setting.members())
    if (name == key || (field != nullptr && find_field(*fields, name) == field)) return {&value, field_type, field};
  return {nullptr, field_type, field};
}

Setting default_of(const Field& field) {
  if (field.fallback == required || field.fallback == absent) return {};
  Problems problems;
  Setting value = read_yaml(field.fallback, "default", problems);
  problems.throw_if_any();
  return value;
}

namespace {

std::string describe_range(const Type& type) {
  const bool integers = type.form == Type::Form::integer;
  std::string name = integers ? "an integer" : "a number";
  const auto bound = [](double value) { return fmt::format("{}", value); };
  const bool bounded = std::isfinite(type.most) && !(integers && type.most == std::numeric_limits<std::int32_t>::max());
  if (std::isfinite(type.least) && bounded)
    return fmt::format("{} in [{}, {}{}", name, bound(type.least), bound(type.most), type.most_excluded ? ")" : "]");
  if (std::isfinite(type.least)) return fmt::format("{} >= {}", name, bound(type.least));
  return name;
}

std::string describe_list(const Type& type) {
  const std::string items = describe(type.item.front());
  std::string length;
  if (type.fewest_items == type.most_items)
    length = fmt::format("{} values", type.fewest_items);
  else if (type.most_items != std::numeric_limits<std::size_t>::max())
    length = fmt::format("{} to {} values", type.fewest_items, type.most_items);
  else if (type.fewest_items > 0)
    length = fmt::format("{} or more values", type.fewest_items);
  else
    length = "values";
  return fmt::format("{}a list of {}, each {}", type.single ? "one value or " : "", length, items);
}

std::string describe_form(const Type& type) {
  switch (type.form) {
    case Type::Form::boolean:
      return "true or false";
    case Type::Form::integer:
    case Type::Form::real:
      return describe_range(type);
    case Type::Form::text:
      return choices_of(type).empty() ? "text" : fmt::format("one of {}", fmt::join(choices_of(type), ", "));
    case Type::Form::list:
      return describe_list(type);
    case Type::Form::mapping: {
      std::vector<std::string> names;
      for (const Field& field : type.fields)
        if (field.built) names.push_back(field.name);
      return fmt::format("a mapping {{{}}}", fmt::join(names, ", "));
    }
    case Type::Form::component: {
      std::vector<std::string> names;
      for (const Component& candidate : components_of(type.family))
        if (candidate.built) names.push_back(candidate.type);
      const bool vowel = type.family == "optimizer" || type.family == "lr_scheduler";
      return fmt::format("{} {} ({})", vowel ? "an" : "a", type.family, fmt::join(names, ", "));
    }
  }
  return "";
}

}  // namespace

std::string describe(const Type& type) { return describe_form(type) + (type.nullable ? " or null" : ""); }

}  // namespace ctrain
