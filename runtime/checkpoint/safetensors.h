// Tensors in one file, by name, in the format that Hugging Face and timm models are published in
// (safetensors_header.h says how it lies on the disk).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/checkpoint/safetensors_header.h"
#include "runtime/file.h"

namespace ctrain {

// Writes a file tensor by tensor, so that no more than one of them has to be in memory. The bytes go to PATH.tmp;
// finish() puts the file in place, and without it the temporary file is removed again.
class SafetensorsWriter {
 public:
  // `metadata` is any text by key; Hugging Face's loaders want {"format": "pt"}.
  SafetensorsWriter(std::filesystem::path path, std::vector<StoredTensor> tensors, const StoredMetadata& metadata);
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  ~SafetensorsWriter();

  // The bytes of the next tensor in the order of the list, row-major; anything else is an internal error.
  void write(std::string_view name, std::span<const std::byte> bytes);

  // Every tensor must have been written. Returns once the file is on the disk.
  void finish();

 private:
  SafetensorsWriter(std::filesystem::path path, std::vector<StoredTensor> tensors);  // makes the temporary file

  std::filesystem::path path_;
  std::vector<StoredTensor> tensors_;
  std::size_t next_ = 0;  // index of the tensor to write next
  bool finished_ = false;
  File file_;
};

// A file open for reading. Opening reads and checks the header only; tensors are read where the caller wants them, by
// any number of threads. Errors name the file and the tensor (running Errors).
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  [[nodiscard]] const std::vector<StoredTensor>& tensors() const { return header_.tensors; }
  [[nodiscard]] const StoredMetadata& metadata() const { return header_.metadata; }
  [[nodiscard]] const StoredTensor* find(const std::string& name) const;  // nullptr where there is none

  // Reads a tensor's bytes [offset, offset + into.size()): all of them, or the part that a rank holds.
  void read(const std::string& name, std::span<std::byte> into, std::uint64_t offset = 0) const;

 private:
  File file_;
  std::uint64_t data_begin_ = 0;  // the first byte after the header
  SafetensorsHeader header_;
  std::map<std::string, std::size_t> indices_;  // by name, into header_
};

}  // namespace ctrain
