#include "runtime/data/input_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "memory/error.h"

namespace ctrain {

InputStream::InputStream(const std::filesystem::path& path) : path_(path.string()), file_(gzopen(path.c_str(), "rb")) {
  if (file_ == nullptr) throw usage_error("{}: cannot be opened: {}", path_, std::strerror(errno));
  gzbuffer(file_.get(), 1 << 17);
  std::error_code unknown;
  bytes_ = std::filesystem::file_size(path, unknown);
  if (unknown) bytes_ = 0;
}

std::size_t InputStream::read(std::span<std::byte> into) {
  const int count = gzread(file_.get(), into.data(), static_cast<unsigned>(into.size()));
  int code = Z_OK;
  const char* message = gzerror(file_.get(), &code);
  cut_ = cut_ || code == Z_BUF_ERROR;
  if (count < 0 && !cut_) throw usage_error("{}: cannot be decompressed or read: {}", path_, message);
  return static_cast<std::size_t>(std::max(count, 0));
}

double InputStream::share_read() const {
  return bytes_ == 0 ? 0 : std::min(1.0, static_cast<double>(gzoffset(file_.get())) / static_cast<double>(bytes_));
}

}  // namespace ctrain
