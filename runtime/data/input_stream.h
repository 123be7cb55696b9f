// The content of a file from its beginning, decompressed where it is compressed with gzip; told apart by the content.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace ctrain {

class InputStream {
 public:
  explicit InputStream(const std::filesystem::path& path);  // a usage Error where it cannot be opened

  // Fills `into`, or as much of it as there is content left; a usage Error where it cannot be read or decompressed.
  std::size_t read(std::span<std::byte> into);

  [[nodiscard]] bool is_cut() const { return cut_; }  // the compressed content ended before its end mark
  [[nodiscard]] double share_read() const;            // of the file's bytes, from 0 to 1

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose_r(file); }
  };
  std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
  std::uintmax_t bytes_ = 0;  // of the file; 0: unknown
  bool cut_ = false;
};

}  // namespace ctrain
