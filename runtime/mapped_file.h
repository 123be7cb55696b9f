// A file as memory, for reading: the operating system brings in what is looked at, and processes share it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace ctrain {

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // a running Error where it cannot be opened or mapped
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace ctrain
