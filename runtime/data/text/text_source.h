// Text files, plain or JSON lines ({"text": "..."} a line), any of them compressed with gzip, as a row of pieces that
// can be tokenised apart from each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/input_stream.h"

namespace ctrain {

enum class TextFormat {
  plain,       // a file is a document
  json_lines,  // a line is a document
};

// By the name: JSON lines where it ends with .jsonl or .json, with or without .gz behind.
TextFormat format_of(const std::filesystem::path& path);

struct TextPiece {
  std::string content;         // a part of a plain file; a line of JSON
  std::filesystem::path file;  // where it stands
  std::int64_t line = 0;       // at which it begins, from 1
  bool ends_document = false;

  // The text in it, which may make use of `storage`. A usage Error, "FILE:LINE: ...", where it is no valid UTF-8, no
  // JSON or has no text.
  [[nodiscard]] std::string_view text(TextFormat format, std::string& storage) const;
};

class TextSource {
 public:
  // At least one file. Usage Errors name one that cannot be read, is cut off, or is empty.
  TextSource(std::vector<std::filesystem::path> files, TextFormat format);

  // The next piece; false after the last one. Blank lines of JSON are left out. Where plain text is cut depends on the
  // file alone, and never changes its tokens.
  bool next(TextPiece& piece);

  [[nodiscard]] double share_read() const;  // from 0 to 1, about

 private:
  bool read_more();
  [[nodiscard]] std::size_t piece_length();
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }

  std::vector<std::filesystem::path> files_;
  TextFormat format_;
  std::size_t file_ = 0;               // being read
  std::optional<InputStream> stream_;  // of it
  bool at_end_ = false;                // of the stream
  std::string buffer_;                 // content read and, from begin_ on, not yet handed out
  std::size_t begin_ = 0;
  std::int64_t line_ = 1;  // at begin_
};

}  // namespace ctrain
