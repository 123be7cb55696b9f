// The checkpoints of a run, in one folder: `step_N`. Each is written as `.step_N.tmp` and put in place
// by a rename, so that a crash at any moment leaves it whole or not there:
//   const fs::path pending = begin_checkpoint(folder, step);  // rank 0; then every rank writes its files into it
//   commit_checkpoint(folder, manifest);                      // rank 0, once all have written
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "runtime/checkpoint/manifest.h"

namespace ctrain {

[[nodiscard]] std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step);

// Where the files of a checkpoint go until it is committed.
[[nodiscard]] std::filesystem::path pending_checkpoint_path(const std::filesystem::path& folder, std::int64_t step);

// Makes the pending folder, empty, and removes pending ones that crashed runs left behind: a run has one at a time.
std::filesystem::path begin_checkpoint(const std::filesystem::path& folder, std::int64_t step);

// Writes the manifest of manifest.step's pending folder and puts the folder in place, over a checkpoint of the same
// step where there is one. Returns its path; by then all of it is on the disk.
std::filesystem::path commit_checkpoint(const std::filesystem::path& folder, const Manifest& manifest);

// Steps of the complete checkpoints, ascending (none where the folder does not exist), and the folder of the last one.
[[nodiscard]] std::vector<std::int64_t> complete_checkpoints(const std::filesystem::path& folder);
[[nodiscard]] std::optional<std::filesystem::path> find_latest_complete(const std::filesystem::path& folder);

// The checkpoint that people mean by a path: it, or of a run's folder the newest complete one.
[[nodiscard]] std::filesystem::path named_checkpoint(const std::filesystem::path& path);

// Removes complete checkpoints but for the `keep_last` (at least 1) newest and those whose step is a multiple of
// `keep_every` (0: none).
void prune_checkpoints(const std::filesystem::path& folder, std::int64_t keep_last, std::int64_t keep_every);

}  // namespace ctrain
