#include "runtime/config/overrides.h"

#include <string_view>

#include "memory/error.h"
#include "runtime/config/schema.h"
#include "runtime/config/yaml_reader.h"

namespace ctrain {
namespace {

const Location command_line = {"--set"};

void place_on_command_line(Setting& value) {
  value.place(command_line, command_line);
  if (value.kind() == Setting::Kind::list)
    for (auto& item : value.list()) place_on_command_line(item);
  if (value.kind() == Setting::Kind::mapping)
    for (auto& member : value.members()) place_on_command_line(member.second);
}

// The value at a path, which is added with the mappings above it where it is missing; nullptr where something that is
// no mapping is in the way.
Setting* find_or_add(Setting& root, std::string_view path) {
  SettingPlace place = root_place(root);
  while (!path.empty()) {
    const std::string_view key = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), key.size() + 1));
    Setting& above = *place.setting;
    if (above.is_null()) {
      above = Setting::of(std::vector<Setting::Member>{});
      above.place(command_line, command_line);
    }
    place = step_into(place, key);
    if (place.setting != nullptr) continue;
    if (above.kind() != Setting::Kind::mapping) return nullptr;
    const std::string name = place.field != nullptr ? place.field->name : std::string(key);
    above.set(name, {});
    place.setting = &above.members().back().second;
    place.setting->place(command_line, command_line);
  }
  return place.setting;
}

}  // namespace

void apply_override(Setting& root, const std::string& assignment, Problems& problems) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems.add(command_line, "", assignment, "KEY.PATH=VALUE");
    return;
  }
  const std::string path = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  try {
    Setting value = read_yaml(text, "--set", problems);
    place_on_command_line(value);
    Setting* target = find_or_add(root, path);
    if (target != nullptr)
      *target = std::move(value);
    else
      problems.refuse(command_line, path, text, "there is no such place: what stands above it is no mapping");
  } catch (const Error& error) {  // from reading the value
    problems.refuse(command_line, path, text, error.what());
  }
}

bool overrides_name(std::string_view assignment, std::string_view name) {
  const std::string_view key = assignment.substr(0, assignment.find_first_of(".="));
  const Field* field = find_field(root_fields(), key);
  return key == name || (field != nullptr && field == find_field(root_fields(), name));
}

}  // namespace ctrain
