// A text as token ids in a file: written once, then memory-mapped, so that any number of ranks share one copy and any
// token is there at once. A document's last token is <|endoftext|>.
//   ids of 2 or 4 bytes, padded to 8 | for each document the place behind its end, 8 bytes | footer
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "runtime/file.h"
#include "runtime/mapped_file.h"

namespace ctrain {

class TokenFile {
 public:
  // Nothing where the file is missing or no complete file of this kind.
  static std::optional<TokenFile> open(const std::filesystem::path& path);

  [[nodiscard]] std::int64_t tokens() const { return tokens_; }
  [[nodiscard]] std::int64_t documents() const { return documents_; }
  // Of a document, 0 <= document <= documents(): where it begins, which is where the one before ends.
  [[nodiscard]] std::int64_t document_begin(std::int64_t document) const {
    return document == 0 ? 0 : ends_[document - 1];
  }
  // The first document that begins at or after a token; documents() where there is none.
  [[nodiscard]] std::int64_t document_from(std::int64_t token) const;

  // Copies the tokens from `begin` on; all must be there.
  void read(std::int64_t begin, std::span<std::int32_t> into) const;

 private:
  TokenFile() = default;

  std::optional<MappedFile> file_;
  std::int64_t tokens_ = 0, documents_ = 0, token_bytes_ = 0;
  const std::int64_t* ends_ = nullptr;
};

class TokenFileWriter {
 public:
  // Of ids below `vocabulary`, where `end_of_text` ends a document.
  TokenFileWriter(const std::filesystem::path& path, std::int64_t vocabulary, std::int32_t end_of_text);

  // Documents without any other token are left out.
  void append(std::span<const std::int32_t> ids);
  void end_document() { append({&end_of_text_, 1}); }

  void finish();  // once the last document has ended

  [[nodiscard]] std::int64_t tokens() const { return tokens_; }
  [[nodiscard]] std::int64_t documents() const { return std::ssize(ends_); }

 private:
  void flush();

  File file_;
  std::int64_t token_bytes_;
  std::int32_t end_of_text_, last_;
  std::int64_t tokens_ = 0;
  std::vector<std::int64_t> ends_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace ctrain
