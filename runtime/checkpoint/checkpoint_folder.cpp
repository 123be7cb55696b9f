#include "runtime/checkpoint/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "memory/error.h"
#include "runtime/file.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

// Every hidden folder has this form: a checkpoint that is being written, or one that is on its way out.
fs::path hidden_path(const fs::path& folder, std::int64_t step, std::string_view what) {
  return folder / fmt::format(".step_{}{}", step, what);
}
bool is_hidden_name(const std::string& name) { return name.starts_with(".step_") && name.ends_with(".tmp"); }

// The N of "step_N", or nothing where the name is any other.
std::optional<std::int64_t> step_of(const std::string& name) {
  constexpr std::string_view prefix = "step_";
  if (!name.starts_with(prefix)) return std::nullopt;
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), step);
  const bool canonical = error == std::errc() && step >= 0 && name == fmt::format("step_{}", step);
  return canonical ? std::optional(step) : std::nullopt;
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) throw running_error("{}: cannot remove: {}", folder.string(), error.message());
}

// Takes a checkpoint out of sight before its files go, so that an interruption leaves no damaged one standing.
fs::path hide_checkpoint(const fs::path& folder, std::int64_t step) {
  fs::path hidden = hidden_path(folder, step, ".old.tmp");
  rename_durably(checkpoint_path(folder, step), hidden);
  return hidden;
}

}  // namespace

fs::path checkpoint_path(const fs::path& folder, std::int64_t step) { return folder / fmt::format("step_{}", step); }

fs::path pending_checkpoint_path(const fs::path& folder, std::int64_t step) {
  return hidden_path(folder, step, ".tmp");
}

fs::path begin_checkpoint(const fs::path& folder, std::int64_t step) {
  fs::path pending = pending_checkpoint_path(folder, step);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (is_hidden_name(entry.path().filename().string())) remove_folder(entry.path());
  }
  fs::create_directories(pending, error);
  if (error) throw running_error("{}: cannot make the checkpoint's folder: {}", pending.string(), error.message());
  return pending;
}

fs::path commit_checkpoint(const fs::path& folder, const Manifest& manifest) {
  const fs::path pending = pending_checkpoint_path(folder, manifest.step);
  fs::path final_path = checkpoint_path(folder, manifest.step);
  write_manifest(pending, manifest);
  std::optional<fs::path> replaced;
  if (fs::exists(final_path)) replaced = hide_checkpoint(folder, manifest.step);
  rename_durably(pending, final_path);
  if (replaced) remove_folder(*replaced);
  return final_path;
}

std::vector<std::int64_t> complete_checkpoints(const fs::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code error;  // no folder, no checkpoints
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && has_manifest(entry.path())) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<fs::path> find_latest_complete(const fs::path& folder) {
  const auto steps = complete_checkpoints(folder);
  return steps.empty() ? std::nullopt : std::optional(checkpoint_path(folder, steps.back()));
}

fs::path named_checkpoint(const fs::path& path) {
  return has_manifest(path) ? path : find_latest_complete(path / "checkpoints").value_or(path);
}

void prune_checkpoints(const fs::path& folder, std::int64_t keep_last, std::int64_t keep_every) {
  require(keep_last >= 1, "at least one checkpoint is kept, not {}", keep_last);
  const auto steps = complete_checkpoints(folder);
  const auto kept_from = static_cast<std::int64_t>(steps.size()) - keep_last;
  for (std::int64_t i = 0; i < kept_from; ++i) {
    const std::int64_t step = steps[static_cast<std::size_t>(i)];
    if (keep_every == 0 || step % keep_every != 0) remove_folder(hide_checkpoint(folder, step));
  }
}

}  // namespace ctrain
