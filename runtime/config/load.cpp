#include "runtime/config/load.h"

#include "memory/error.h"
#include "runtime/config/apply_schema.h"
#include "runtime/config/colossal_names.h"
#include "runtime/config/expressions.h"
#include "runtime/config/libraries.h"
#include "runtime/config/overrides.h"
#include "runtime/config/presets.h"
#include "runtime/config/python_reader.h"
#include "runtime/config/recipes.h"
#include "runtime/config/schema.h"
#include "runtime/config/validate.h"
#include "runtime/config/yaml_reader.h"
#include "runtime/config/yaml_writer.h"

namespace ctrain {
namespace {

void fill(Setting& mapping, std::string_view key, Setting value) {
  if (mapping.has(key)) return;
  value.place(mapping.location(), mapping.location());
  mapping.set(key, std::move(value));
}

// One text for training and testing is split between them.
void complete_text_splits(Setting& root) {
  Setting *train = root.find_path("train_data.dataset"), *test = root.find_path("test_data.dataset");
  const auto path = [](const Setting* dataset) { return dataset == nullptr ? nullptr : dataset->find("path"); };
  const bool is_shared = path(train) != nullptr && path(test) != nullptr && *path(train) == *path(test);
  if (path(train) != nullptr) fill(*train, "split", Setting::of(is_shared ? "train" : "all"));
  if (path(test) != nullptr) fill(*test, "split", Setting::of(is_shared ? "test" : "all"));
}

// Defaults that follow from other keys.
void complete(Setting& root, const RunSizes& sizes) {
  fill(*root.find("parallel"), "data", Setting::of(sizes.data));
  fill(*root.find_path("parallel.pipeline"), "schedule", Setting::of(sizes.pipeline.schedule));
  fill(root, "NUM_MICRO_BATCHES", Setting::of(sizes.pipeline.micro_batches));
  fill(root, "NUM_CHUNKS", Setting::of(sizes.pipeline.chunks));
  if (!root.has("GLOBAL_BATCH_SIZE")) fill(root, "BATCH_SIZE", Setting::of(sizes.batch_per_data_rank));
  for (const char* part : {"train_data", "test_data"}) {
    Setting* data = root.find(part);
    if (data == nullptr) continue;
    fill(*data->find("dataloader"), "batch_size", Setting::of(sizes.batch_per_data_rank));
    Setting& dataset = *data->find("dataset");
    if (dataset.find("train") != nullptr) fill(dataset, "train", Setting::of(part == std::string_view("train_data")));
  }
  complete_text_splits(root);
  Setting* schedule = root.find("lr_scheduler");
  if (schedule == nullptr) return;
  std::vector<Setting*> followers;  // LRSchedulerHooks; validate() has seen that all that say something say the same
  for (Setting& hook : root.find("hooks")->list()) {
    if (hook["type"].text() != "LRSchedulerHook") continue;
    followers.push_back(&hook);
    if (hook.has("by_epoch")) fill(*schedule, "by_epoch", hook["by_epoch"]);
  }
  fill(*schedule, "by_epoch", Setting::of(false));
  for (Setting* hook : followers) fill(*hook, "by_epoch", (*schedule)["by_epoch"]);
}

bool is_python(const std::filesystem::path& path) { return path.extension() == ".py"; }

PythonFile read_python_file(std::string_view text, const std::string& file, const std::vector<std::string>& overrides,
                            bool has_recipe) {
  Problems problems;
  PythonFile read = read_python(text, file, overrides, problems);
  problems.throw_if_any();  // what depends on these lines would only be told as well
  if (!has_recipe && has_hyper_parameters_only(read.root))
    throw usage_error(
        "{}: this file has hyper-parameters only, no model, train_data, loss and optimizer; expected these, or "
        "--recipe "
        "{}, which makes them from names such as HIDDEN_SIZE",
        file, recipe_names);
  return read;
}

// In a .py file a name may have any case: one that is no key, and that others use, is a variable.
void drop_variables(Setting& root, const std::set<std::string>& used) {
  if (used.empty()) return;
  std::erase_if(root.members(), [&](const Setting::Member& member) {
    const std::string& name = member.first;
    return used.contains(name) && !is_variable_name(name) && find_field(root_fields(), name) == nullptr;
  });
}

}  // namespace

Configuration load_configuration_text(std::string_view text, const std::string& file,
                                      const std::vector<std::string>& overrides, std::optional<std::int64_t> world_size,
                                      const std::string& recipe) {
  Problems problems;
  Configuration configuration;
  std::set<std::string> used;
  Setting written;
  if (is_python(file)) {
    PythonFile read = read_python_file(text, file, overrides, !recipe.empty());
    written = std::move(read.root);
    used = std::move(read.used);
  } else {
    written = read_yaml(text, file, problems);
  }
  if (!recipe.empty()) add_recipe(written, recipe, configuration.warnings);
  for (const std::string& assignment : overrides) apply_override(written, assignment, problems);
  ReferenceResult references = resolve_references(written, problems);
  load_libraries(written, problems);  // what they register counts from here on
  drop_variables(written, used);
  references.used.merge(used);
  translate_colossal_names(written, problems, configuration.warnings);

  configuration.root = apply_schema(written, references, problems, configuration.warnings);
  if (Setting* model = configuration.root.find("model")) apply_preset(*model);
  const auto sizes = resolve_run_sizes(configuration.root, world_size, problems);
  validate(configuration.root, sizes, problems);
  problems.throw_if_any();
  require(sizes.has_value(), "{}: the sizes of the run are wrong, but no problem was told", file);
  static_cast<RunSizes&>(configuration) = *sizes;
  complete(configuration.root, *sizes);
  configuration.name = std::filesystem::path(file).stem().string();
  return configuration;
}

Configuration load_configuration(const std::filesystem::path& path, const std::vector<std::string>& overrides,
                                 std::optional<std::int64_t> world_size, const std::string& recipe) {
  return load_configuration_text(read_configuration_file(path), path.string(), overrides, world_size, recipe);
}

std::string to_yaml(const Configuration& configuration) { return to_yaml(configuration.root); }

}  // namespace ctrain
