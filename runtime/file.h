// A file of the operating system: owns its descriptor, writes all or throws, and names the file in every error.
// Every error is a running Error: "PATH: cannot write: No space left on device".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ctrain {

class File {
 public:
  static File open(const std::filesystem::path& path);    // for reading
  static File create(const std::filesystem::path& path);  // for writing, emptied
  static File append(const std::filesystem::path& path);  // for writing at the end, made where it is missing

  File(File&& other) noexcept;
  File& operator=(File&&) = delete;
  ~File();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const;  // bytes

  // Hands everything to the operating system, with one write(2) unless that one is cut short. Allocates nothing.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void sync();  // returns once the bytes are on the disk

  // Fills `into` with the bytes from `offset` on; an error where the file ends before. Any number of threads may.
  void read_at(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  File(std::filesystem::path path, int flags, const char* action);
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

// Makes what was created, renamed or removed in a folder survive a power cut.
void sync_folder(const std::filesystem::path& folder);

// Moves `from` over `to` in one step that survives a power cut; both in the same folder.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// All of the file's new content or, after a crash, all of its old one.
void write_file(const std::filesystem::path& path, std::string_view text);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace ctrain
