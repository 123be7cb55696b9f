// The one table that describes every key of a configuration: name, synonyms, type, range, default, meaning, and whether
// it is built yet. The check of types (apply_schema.h), the defaults, the suggestions, the resolved dump and the
// reference page (configuration_reference.h) all come from it. Rows: schema_root.cpp, schema_models.cpp,
// schema_data.cpp, schema_training.cpp.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/setting.h"

namespace ctrain {

struct Field;

// What a value may be.
struct Type {
  enum class Form { boolean, integer, real, text, list, mapping, component };
  Form form = Form::text;
  bool nullable = false;  // null is a value of its own (a null where this is false means: left out)

  double least = -std::numeric_limits<double>::infinity();  // numbers
  double most = std::numeric_limits<double>::infinity();
  bool most_excluded = false;

  std::vector<std::string> choices = {};               // text: empty for any
  std::vector<std::string> (*registered)() = nullptr;  // text: choices that user code may add to, asked for when used
  std::vector<std::string> later_choices = {};         // text: known, not built yet

  std::vector<Type> item = {};  // list, mapping: the type of its items (one)
  std::size_t fewest_items = 0, most_items = std::numeric_limits<std::size_t>::max();
  bool single = false;  // list: a lone value v stands for [v]

  std::vector<Field> fields;   // mapping
  std::string shorthand = {};  // mapping: a lone value v stands for {shorthand: v}
  // A mapping with `item` has whatever keys the user likes, each with a value of that type.

  std::string family = {};  // component: which table its `type` is looked up in; a bare text stands for {type: text}
};

// Where a Field has no default: it must be given, or is simply absent from the resolved configuration.
inline constexpr const char* required = "(required)";
inline constexpr const char* absent = "(absent)";

// One row of the table.
struct Field {
  std::string name;
  Type type;
  std::string fallback;  // the default as YAML, or `required`, or `absent`
  std::string meaning;
  std::vector<std::string> synonyms = {};
  // The only values (in one line) that this version has; others of the right type are refused as not built yet.
  std::vector<std::string> built_values = {};
  bool built = true;  // false: known, and refused by name unless its value is among built_values
};

// One `type` of a family, with its arguments.
struct Component {
  std::string type;
  std::string meaning;
  std::vector<Field> fields = {};
  bool built = true;
};

Type boolean();
Type integer(std::int64_t least, double most = std::numeric_limits<std::int32_t>::max());
Type real(double least, double most = std::numeric_limits<double>::infinity());
Type real_below(double least, double most);  // [least, most)
Type text();
Type choice(std::vector<std::string> choices, std::vector<std::string> later = {});
Type registered_choice(std::vector<std::string> (*names)());
Type list_of(Type item, std::size_t fewest = 0, std::size_t most = std::numeric_limits<std::size_t>::max());
Type one_or_list_of(Type item, std::size_t fewest, std::size_t most);
Type mapping(std::vector<Field> fields, std::string shorthand = "");
Type map_of(Type item);
Type component(std::string family);
Type nullable(Type type);
Field later(std::string name, Type type, std::vector<std::string> synonyms = {}, std::vector<std::string> neutral = {});
Component later_component(std::string type);

// The tables. Families: model, dataset, transform, optimizer, lr_scheduler, loss, hook.
const std::vector<Field>& root_fields();
const std::vector<Component>& components_of(const std::string& family);
const std::vector<std::string>& families();
// Upper-case names that the documents use for hyper-parameters: the user's variables, never a misspelt key.
const std::vector<std::string>& documented_variables();

// Upper case: a key of that spelling, or a variable of the user.
bool is_variable_name(std::string_view name);

// What a text may be; empty for any.
std::vector<std::string> choices_of(const Type& type);

const Field* find_field(const std::vector<Field>& fields, std::string_view name_or_synonym);
const Component* find_component(const std::string& family, std::string_view type);
// The rows for the members of a mapping of this type; of a component, those of its `type` (nullptr: no such).
const std::vector<Field>* fields_of(const Type& type, const Setting& mapping);

// A lone value where a mapping or a component stands becomes that mapping: `pipeline: 2`, `loss: MSELoss`.
void expand_shorthand(Setting& written, const Type& type);

// Where a path leads: the value there, if any, and the row that describes it, if any.
struct SettingPlace {
  Setting* setting = nullptr;
  const Type* type = nullptr;
  const Field* field = nullptr;
};
SettingPlace root_place(Setting& root);
// One step down: a key (under any of its names) or the number of a list's item. Expands shorthands on the way.
SettingPlace step_into(const SettingPlace& from, std::string_view key);
// The default of a row as a tree; null where it has none.
Setting default_of(const Field& field);

// "an integer >= 1", "one of 1d, 2d", "a list of 2 numbers in [0, 1)": used in messages and on the reference page.
std::string describe(const Type& type);

}  // namespace ctrain
