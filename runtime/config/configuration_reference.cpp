#include "runtime/config/configuration_reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/config/schema.h"

namespace ctrain {
namespace {

std::string default_text(const Field& field) {
  if (field.fallback == required) return "required";
  return field.fallback == absent ? "" : fmt::format("`{}`", field.fallback);
}

// A row, and below it those of a mapping's own keys.
void write_row(const Field& field, const std::string& prefix, std::string& page) {
  if (!field.built) return;
  std::string name = fmt::format("`{}{}`", prefix, field.name);
  if (!field.synonyms.empty()) name += fmt::format(" (`{}`)", fmt::join(field.synonyms, "`, `"));
  const bool is_mapping = field.type.form == Type::Form::mapping;
  std::string meaning = field.meaning;
  if (!field.built_values.empty())
    meaning += fmt::format(" (only `{}` is built yet)", fmt::join(field.built_values, "`, `"));
  page += fmt::format("| {} | {} | {} | {} |\n", name, is_mapping ? "a mapping" : describe(field.type),
                      default_text(field), meaning);
  for (const Field& below : field.type.fields) write_row(below, prefix + field.name + ".", page);
}

void write_table(const std::vector<Field>& fields, std::string& page) {
  if (fields.empty()) return;
  page += "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const Field& field : fields) write_row(field, "", page);
  page += "\n";
}

template <typename Row>
void write_later(const std::vector<Row>& rows, std::string Row::*name, std::string& page) {
  std::vector<std::string> names;
  for (const Row& row : rows)
    if (!row.built) names.push_back(row.*name);
  if (!names.empty())
    page += fmt::format("Known, but not built yet in this version: `{}`.\n\n", fmt::join(names, "`, `"));
}

}  // namespace

std::string configuration_reference() {
  std::string page =
      "# Configuration keys\n\n"
      "Names in brackets are taken too. `null` where it is allowed, or nothing at all, takes the default. Other "
      "upper-case\n"
      "names at the top are your own variables; values may refer to others, as in `${BATCH_SIZE}`,\n"
      "`${(IMG_SIZE // PATCH_SIZE) ** 2 + 1}` or `${env:DATA:-./data}`.\n\n";
  write_table(root_fields(), page);
  write_later(root_fields(), &Field::name, page);
  for (const std::string& family : families()) {
    page += fmt::format("## {}\n\n", family);
    for (const Component& entry : components_of(family)) {
      if (!entry.built) continue;
      page += fmt::format("### `type: {}`\n\n{}.\n\n", entry.type, entry.meaning);
      write_table(entry.fields, page);
    }
    write_later(components_of(family), &Component::type, page);
  }
  return page;
}

}  // namespace ctrain
