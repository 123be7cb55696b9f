#include "runtime/checkpoint/safetensors.h"

#include <system_error>
#include <utility>

#include "memory/error.h"

namespace ctrain {

namespace fs = std::filesystem;

SafetensorsWriter::SafetensorsWriter(fs::path path, std::vector<StoredTensor> tensors)
    : path_(std::move(path)), tensors_(std::move(tensors)), file_(File::create(path_.string() + ".tmp")) {}

// Delegates, so that the destructor removes the temporary file where the header cannot be written.
SafetensorsWriter::SafetensorsWriter(fs::path path, std::vector<StoredTensor> tensors, const StoredMetadata& metadata)
    : SafetensorsWriter(std::move(path), std::move(tensors)) {
  file_.write(encode_header(tensors_, metadata));
}

SafetensorsWriter::~SafetensorsWriter() {
  std::error_code ignored;  // nothing to do about it while another error is on its way
  if (!finished_) fs::remove(file_.path(), ignored);
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  require(next_ < tensors_.size(), "{}: tensor '{}' is one more than announced", path_.string(), name);
  const StoredTensor& tensor = tensors_[next_];
  require(tensor.name == name, "{}: tensor '{}' was given where '{}' was due", path_.string(), name, tensor.name);
  require(bytes.size() == byte_size(tensor), "{}: tensor '{}' has {} bytes instead of {}", path_.string(), name,
          bytes.size(), byte_size(tensor));
  file_.write(bytes);
  ++next_;
}

void SafetensorsWriter::finish() {
  require(next_ == tensors_.size(), "{}: {} of {} tensors were written", path_.string(), next_, tensors_.size());
  file_.sync();
  rename_durably(file_.path(), path_);
  finished_ = true;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(File::open(path)) {
  const std::uint64_t file_size = file_.size();
  std::uint64_t length = 0;
  if (file_size < sizeof length) {
    throw running_error("{}: not a usable safetensors file: it has only {} bytes", path.string(), file_size);
  }
  file_.read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > file_size - sizeof length || length > longest_header) {
    throw running_error("{}: not a usable safetensors file: a header of {} bytes does not fit a file of {}",
                        path.string(), length, file_size);
  }
  std::string json(length, '\0');
  file_.read_at(sizeof length, std::as_writable_bytes(std::span(json)));
  data_begin_ = sizeof length + length;
  header_ = decode_header(json, file_size - data_begin_, path.string());
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) indices_.emplace(header_.tensors[i].name, i);
}

const StoredTensor* SafetensorsFile::find(const std::string& name) const {
  const auto it = indices_.find(name);
  return it == indices_.end() ? nullptr : &header_.tensors[it->second];
}

void SafetensorsFile::read(const std::string& name, std::span<std::byte> into, std::uint64_t offset) const {
  const auto it = indices_.find(name);
  if (it == indices_.end()) throw running_error("{}: holds no tensor '{}'", file_.path().string(), name);
  const std::uint64_t size = byte_size(header_.tensors[it->second]);
  require(offset <= size && into.size() <= size - offset, "{}: bytes {} to {} of tensor '{}', which has {}",
          file_.path().string(), offset, offset + into.size(), name, size);
  file_.read_at(data_begin_ + header_.offsets[it->second] + offset, into);
}

}  // namespace ctrain
