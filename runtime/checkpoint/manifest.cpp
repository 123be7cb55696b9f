#include "runtime/checkpoint/manifest.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "memory/error.h"
#include "runtime/file.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t format_version = 1;

fs::path manifest_path(const fs::path& checkpoint) { return checkpoint / "manifest.json"; }

std::uint32_t crc32_of(const File& file) {
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  const std::uint64_t size = file.size();
  uLong crc = crc32_z(0, nullptr, 0);
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    const std::span part(buffer.data(), std::min<std::uint64_t>(buffer.size(), size - offset));
    file.read_at(offset, part);
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
  }
  return static_cast<std::uint32_t>(crc);
}

std::string hexadecimal(std::uint32_t crc) { return fmt::format("{:08x}", crc); }

// Reads the members of a manifest; a wrong one is a running Error that names the file and the key.
class ManifestReader {
 public:
  explicit ManifestReader(fs::path path) : path_(std::move(path)) {}

  [[nodiscard]] Manifest read() const {
    const Json json = Json::parse(read_file(path_), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) fail("is not a JSON object");
    const std::uint64_t version = number(json, "format_version");
    if (version != format_version) {
      fail(fmt::format("has format_version {}; this ctrain reads version {}", version, format_version));
    }
    Manifest manifest;
    manifest.step = count(json, "step");
    manifest.epoch = count(json, "epoch");
    manifest.step_in_epoch = count(json, "step_in_epoch");
    manifest.samples_seen = count(json, "samples_seen");
    manifest.loss_sum = real(json, "loss_sum");
    manifest.correct_sum = real(json, "correct_sum");
    manifest.sample_sum = real(json, "sample_sum");
    manifest.seed = number(json, "seed");
    manifest.created_by = text(json, "created_by");
    const auto files = json.find("files");
    if (files == json.end() || !files->is_array()) fail("has no list 'files'");
    for (const Json& file : *files) manifest.files.push_back(read_entry(file));
    return manifest;
  }

 private:
  // JSON has no NaN: a loss that is not finite stands as null.
  [[nodiscard]] double real(const Json& json, const char* key) const {
    const auto it = json.find(key);
    if (it == json.end() || !(it->is_number() || it->is_null())) fail(fmt::format("has no number '{}'", key));
    return it->is_null() ? std::numeric_limits<double>::quiet_NaN() : it->get<double>();
  }
  [[nodiscard]] ManifestFile read_entry(const Json& json) const {
    if (!json.is_object()) fail("lists a file that is not a JSON object");
    ManifestFile file{text(json, "name"), number(json, "size"), 0};
    if (file.name.empty() || file.name == "." || file.name == ".." || file.name != fs::path(file.name).filename()) {
      fail(fmt::format("lists '{}', which is not a file of this folder", file.name));
    }
    const std::string crc = text(json, "crc32");
    const auto [end, error] = std::from_chars(crc.data(), crc.data() + crc.size(), file.crc32, 16);
    if (error != std::errc() || crc != hexadecimal(file.crc32)) fail(fmt::format("has the crc32 '{}'", crc));
    return file;
  }

  [[nodiscard]] std::uint64_t number(const Json& json, const char* key) const {
    const auto it = json.find(key);
    if (it == json.end() || !it->is_number_unsigned()) fail(fmt::format("has no number '{}'", key));
    return it->get<std::uint64_t>();
  }

  [[nodiscard]] std::int64_t count(const Json& json, const char* key) const {
    const std::uint64_t value = number(json, key);
    if (value > std::numeric_limits<std::int64_t>::max()) fail(fmt::format("has too large a '{}'", key));
    return static_cast<std::int64_t>(value);
  }

  [[nodiscard]] std::string text(const Json& json, const char* key) const {
    const auto it = json.find(key);
    if (it == json.end() || !it->is_string()) fail(fmt::format("has no text '{}'", key));
    return it->get<std::string>();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw running_error("{}: not a usable manifest: it {}", path_.string(), what);
  }

  fs::path path_;
};

// What is wrong with a file, or nothing.
std::optional<std::string> damage(const fs::path& path, const ManifestFile& expected) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return "is missing";
  if (size != expected.size) return fmt::format("has {} bytes instead of {}", size, expected.size);
  const std::uint32_t crc = crc32_of(File::open(path));
  if (crc == expected.crc32) return std::nullopt;
  return fmt::format("has changed: crc32 {} instead of {}", hexadecimal(crc), hexadecimal(expected.crc32));
}

}  // namespace

bool has_manifest(const fs::path& checkpoint) {
  std::error_code ignored;  // what cannot be looked at is not there
  return fs::is_regular_file(manifest_path(checkpoint), ignored);
}

void write_manifest(const fs::path& checkpoint, Manifest manifest) {
  manifest.files.clear();
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    require(entry.is_regular_file(), "{}: only plain files belong into a checkpoint", entry.path().string());
    File file = File::open(entry.path());
    file.sync();
    manifest.files.push_back({entry.path().filename().string(), file.size(), crc32_of(file)});
  }
  std::sort(manifest.files.begin(), manifest.files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  Json files = Json::array();
  for (const ManifestFile& file : manifest.files) {
    files.push_back({{"name", file.name}, {"size", file.size}, {"crc32", hexadecimal(file.crc32)}});
  }
  const Json json = {{"format_version", format_version},
                     {"created_by", manifest.created_by},
                     {"step", manifest.step},
                     {"epoch", manifest.epoch},
                     {"step_in_epoch", manifest.step_in_epoch},
                     {"samples_seen", manifest.samples_seen},
                     {"loss_sum", manifest.loss_sum},
                     {"correct_sum", manifest.correct_sum},
                     {"sample_sum", manifest.sample_sum},
                     {"seed", manifest.seed},
                     {"files", files}};
  write_file(manifest_path(checkpoint), json.dump(2) + "\n");
}

Manifest read_manifest(const fs::path& checkpoint) {
  if (!has_manifest(checkpoint)) {
    throw usage_error("{}: not a complete checkpoint: it has no manifest.json", checkpoint.string());
  }
  return ManifestReader(manifest_path(checkpoint)).read();
}

Manifest verify_checkpoint(const fs::path& checkpoint) {
  Manifest manifest = read_manifest(checkpoint);
  std::string problems;
  for (const ManifestFile& file : manifest.files) {
    if (const auto problem = damage(checkpoint / file.name, file)) {
      problems += fmt::format("\n  {} {}", file.name, *problem);
    }
  }
  if (!problems.empty()) {
    throw running_error("{}: the checkpoint does not agree with its manifest.json:{}", checkpoint.string(), problems);
  }
  return manifest;
}

}  // namespace ctrain
