#include "runtime/data/text/token_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr std::size_t flush_bytes = std::size_t{1} << 20;

struct Footer {
  static constexpr std::array<char, 16> kind = {'c', 't', 'r', 'a', 'i', 'n', ' ', 't',
                                                'o', 'k', 'e', 'n', 's', ' ', '1'};
  std::int64_t tokens = 0, documents = 0, token_bytes = 0;
  std::array<char, 16> magic = kind;
};

std::uint64_t padded(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }

template <typename Id>
void copy_ids(const std::byte* from, std::span<std::int32_t> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    Id id;
    std::memcpy(&id, from + i * sizeof id, sizeof id);
    into[i] = static_cast<std::int32_t>(id);
  }
}

}  // namespace

std::optional<TokenFile> TokenFile::open(const std::filesystem::path& path) {
  std::error_code missing;
  if (!std::filesystem::is_regular_file(path, missing)) return std::nullopt;
  TokenFile result;
  result.file_.emplace(path);
  const std::span<const std::byte> bytes = result.file_->bytes();
  Footer footer;
  if (bytes.size() < sizeof footer) return std::nullopt;
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof footer, sizeof footer);
  const auto most = static_cast<std::int64_t>(bytes.size());
  if (footer.magic != Footer::kind || (footer.token_bytes != 2 && footer.token_bytes != 4) || footer.tokens < 1 ||
      footer.tokens > most || footer.documents < 1 || footer.documents > most)
    return std::nullopt;
  const std::uint64_t ids = padded(static_cast<std::uint64_t>(footer.tokens * footer.token_bytes));
  if (ids + static_cast<std::uint64_t>(footer.documents) * 8 + sizeof footer != bytes.size()) return std::nullopt;
  result.tokens_ = footer.tokens;
  result.documents_ = footer.documents;
  result.token_bytes_ = footer.token_bytes;
  result.ends_ = reinterpret_cast<const std::int64_t*>(bytes.data() + ids);
  if (result.ends_[footer.documents - 1] != footer.tokens) return std::nullopt;
  return result;
}

std::int64_t TokenFile::document_from(std::int64_t token) const {
  if (token <= 0) return 0;
  return std::min(std::lower_bound(ends_, ends_ + documents_, token) - ends_ + 1, documents_);
}

void TokenFile::read(std::int64_t begin, std::span<std::int32_t> into) const {
  const std::byte* from = file_->bytes().data() + begin * token_bytes_;
  if (token_bytes_ == 2) {
    copy_ids<std::uint16_t>(from, into);
  } else {
    copy_ids<std::int32_t>(from, into);
  }
}

TokenFileWriter::TokenFileWriter(const std::filesystem::path& path, std::int64_t vocabulary, std::int32_t end_of_text)
    : file_(File::create(path)),
      token_bytes_(vocabulary <= 1 << 16 ? 2 : 4),
      end_of_text_(end_of_text),
      last_(end_of_text) {}

void TokenFileWriter::append(std::span<const std::int32_t> ids) {
  for (const std::int32_t id : ids) {
    const bool ends_document = id == end_of_text_;
    if (ends_document && last_ == end_of_text_) continue;
    for (std::int64_t byte = 0; byte < token_bytes_; ++byte)
      buffer_.push_back(static_cast<std::uint8_t>(static_cast<std::uint32_t>(id) >> 8 * byte));
    ++tokens_;
    if (ends_document) ends_.push_back(tokens_);
    last_ = id;
  }
  if (buffer_.size() >= flush_bytes) flush();
}

void TokenFileWriter::finish() {
  require(last_ == end_of_text_, "a token file ends within a document");
  buffer_.resize(buffer_.size() + padded(static_cast<std::uint64_t>(tokens_ * token_bytes_)) -
                 static_cast<std::uint64_t>(tokens_ * token_bytes_));
  flush();
  file_.write(std::as_bytes(std::span(ends_)));
  const Footer footer{tokens_, std::ssize(ends_), token_bytes_};
  file_.write(std::as_bytes(std::span(&footer, 1)));
  file_.sync();
}

void TokenFileWriter::flush() {
  file_.write(std::as_bytes(std::span(buffer_)));
  buffer_.clear();
}

}  // namespace ctrain
