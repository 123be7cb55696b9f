#include "runtime/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "memory/error.h"

namespace ctrain {

namespace fs = std::filesystem;

File::File(fs::path path, int flags, const char* action) : path_(std::move(path)) {
  do descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, 0666);
  while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) fail(action);
}

File File::open(const fs::path& path) { return {path, O_RDONLY, "open"}; }
File File::create(const fs::path& path) { return {path, O_WRONLY | O_CREAT | O_TRUNC, "create"}; }
File File::append(const fs::path& path) { return {path, O_WRONLY | O_CREAT | O_APPEND, "open"}; }

File::File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::fail(const char* action) const {
  const int error = errno;
  throw running_error("{}: cannot {}: {}", path_.string(), action, std::system_category().message(error));
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail("read its size");
  return static_cast<std::uint64_t>(status.st_size);
}

void File::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void File::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void File::sync() {
  if (::fsync(descriptor_) != 0) fail("sync");
}

void File::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t count = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read");
    if (count == 0) throw running_error("{}: ends at byte {}, {} bytes early", path_.string(), offset, into.size());
    offset += static_cast<std::uint64_t>(count);
    into = into.subspan(static_cast<std::size_t>(count));
  }
}

void sync_folder(const fs::path& folder) { File::open(folder.empty() ? fs::path(".") : folder).sync(); }

void rename_durably(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw running_error("{}: cannot rename to {}: {}", from.string(), to.string(), error.message());
  sync_folder(to.parent_path());
}

void write_file(const fs::path& path, std::string_view text) {
  const fs::path temporary = path.string() + ".tmp";
  {
    File file = File::create(temporary);
    file.write(text);
    file.sync();
  }
  rename_durably(temporary, path);
}

std::string read_file(const fs::path& path) {
  const File file = File::open(path);
  std::string text(file.size(), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace ctrain
