#include "runtime/config/yaml_writer.h"

#include <fmt/format.h>

#include "runtime/config/scalar.h"

namespace ctrain {
namespace {

constexpr std::size_t longest_line = 110;

bool fits_one_line(const Setting& setting, std::size_t indent, bool is_item) {
  using Kind = Setting::Kind;
  if (setting.kind() == Kind::mapping && !setting.members().empty() && !is_item) return false;
  if (setting.kind() == Kind::list)
    for (const Setting& item : setting.list())
      if (item.kind() == Kind::mapping) return false;
  const bool scalar = setting.kind() != Kind::mapping && setting.kind() != Kind::list;
  return scalar || indent + setting.inline_text().size() <= longest_line;
}

void write_members(const Setting& mapping, std::size_t indent, bool first_indented, std::string& out);

// After "key:" or "-".
void write_value(const Setting& setting, std::size_t indent, bool is_item, std::string& out) {
  if (fits_one_line(setting, indent, is_item)) {
    out += fmt::format(" {}\n", setting.inline_text());
  } else if (setting.kind() == Setting::Kind::mapping) {
    out += is_item ? " " : "\n";
    write_members(setting, indent + 2, is_item, out);
  } else {
    out += "\n";
    for (const Setting& item : setting.list()) {
      out.append(indent + 2, ' ').append("-");
      write_value(item, indent + 2, true, out);
    }
  }
}

void write_members(const Setting& mapping, std::size_t indent, bool first_indented, std::string& out) {
  for (const auto& [key, value] : mapping.members()) {
    if (!first_indented) out.append(indent, ' ');
    first_indented = false;
    out += quoted_where_needed(key) + ":";
    write_value(value, indent, false, out);
  }
}

}  // namespace

std::string to_yaml(const Setting& root) {
  std::string out;
  write_members(root, 0, false, out);
  return out;
}

}  // namespace ctrain
