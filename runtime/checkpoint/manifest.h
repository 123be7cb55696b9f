// manifest.json of a checkpoint folder: where training stood, and every other file with its size and checksum.
// A checkpoint is complete once its manifest stands (checkpoint_folder.h says how folders come and go).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ctrain {

struct ManifestFile {
  std::string name;  // relative to the checkpoint's folder, which has no subfolders
  std::uint64_t size = 0;
  std::uint32_t crc32 = 0;  // zlib's, of the whole file
};

struct Manifest {
  std::int64_t step = 0;                                 // optimizer steps done
  std::int64_t epoch = 0;                                // epochs done
  std::int64_t step_in_epoch = 0;                        // steps done of the epoch after those
  std::int64_t samples_seen = 0;                         // over all ranks and epochs
  double loss_sum = 0, correct_sum = 0, sample_sum = 0;  // of the running epoch, so that its means go on
  std::uint64_t seed = 0;                                // of the job
  std::string created_by;                                // "ctrain 0.1.0"
  std::vector<ManifestFile> files;                       // by name; filled in by write_manifest
};

[[nodiscard]] bool has_manifest(const std::filesystem::path& checkpoint);

// Lists the files that stand in the folder and writes the manifest; on return all of them are on the disk.
void write_manifest(const std::filesystem::path& checkpoint, Manifest manifest);

// A usage Error where the folder is not a complete checkpoint, a running Error where its manifest is damaged.
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& checkpoint);

// Reads the manifest and every file; one running Error lists all files that are missing or changed.
Manifest verify_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace ctrain
