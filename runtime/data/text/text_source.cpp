#include "runtime/data/text/text_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "memory/error.h"
#include "runtime/data/text/pre_tokenizer.h"
#include "runtime/data/text/utf8.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;

constexpr std::size_t block_bytes = std::size_t{1} << 20;

void check_utf8(std::string_view content, const fs::path& file, std::int64_t line) {
  const std::size_t invalid = find_invalid_utf8(content);
  if (invalid == content.size()) return;
  const std::string_view before = content.substr(0, invalid);
  const std::size_t line_begin = before.rfind('\n') + 1;  // 0 where there is none
  throw usage_error("{}:{}:{}: invalid UTF-8: byte 0x{:02x}; expected text in UTF-8", file.string(),
                    line + std::count(before.begin(), before.end(), '\n'), invalid - line_begin + 1,
                    static_cast<std::uint8_t>(content[invalid]));
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

TextFormat format_of(const fs::path& path) {
  const fs::path name = path.extension() == ".gz" ? path.stem() : path.filename();
  return name.extension() == ".jsonl" || name.extension() == ".json" ? TextFormat::json_lines : TextFormat::plain;
}

std::string_view TextPiece::text(TextFormat format, std::string& storage) const {
  check_utf8(content, file, line);
  if (format == TextFormat::plain) return content;
  try {
    Json json = Json::parse(content);
    const auto found = json.find("text");  // the end where this is no object
    if (found == json.end() || !found->is_string())
      throw usage_error("{}:{}: expected a JSON object with a 'text' that is a string, found {}", file.string(), line,
                        !json.is_object()     ? json.type_name()
                        : found == json.end() ? "none"
                                              : found->type_name());
    storage = std::move(found->get_ref<std::string&>());
    return storage;
  } catch (const Json::exception& error) {
    throw usage_error("{}:{}: no JSON: {}", file.string(), line, error.what());
  }
}

TextSource::TextSource(std::vector<fs::path> files, TextFormat format) : files_(std::move(files)), format_(format) {}

bool TextSource::next(TextPiece& piece) {
  for (; file_ < files_.size(); ++file_, stream_.reset()) {
    if (!stream_) {
      stream_.emplace(files_[file_]);
      at_end_ = false;
      line_ = 1;
      if (!read_more()) throw usage_error("{}: the file is empty", files_[file_].string());
    }
    while (const std::size_t length = piece_length()) {
      const std::string_view content = rest().substr(0, length);
      piece.content = content;
      piece.file = files_[file_];
      piece.line = line_;
      line_ += std::count(content.begin(), content.end(), '\n');
      begin_ += length;
      piece.ends_document = format_ == TextFormat::json_lines || (at_end_ && rest().empty());
      if (format_ == TextFormat::plain || !is_blank(piece.content)) return true;
    }
  }
  return false;
}

// Of the next piece, which it sees to be in the buffer; 0 at the end of the file.
std::size_t TextSource::piece_length() {
  for (std::size_t searched = 0;;) {
    if (format_ == TextFormat::json_lines) {
      const std::size_t end = rest().find('\n', searched);
      if (end != std::string_view::npos) return end + 1;
      searched = rest().size();
    } else if (rest().size() >= block_bytes) {
      // One byte more than the piece is always there: a file's last piece is known to be the last.
      if (const std::size_t cut = PreTokenizer::last_cut(rest())) return cut;
    }
    if (!read_more()) return rest().size();
  }
}

bool TextSource::read_more() {
  if (at_end_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + block_bytes);
  const std::size_t count = stream_->read(std::as_writable_bytes(std::span(buffer_).subspan(before)));
  buffer_.resize(before + count);
  if (stream_->is_cut()) throw usage_error("{}: truncated: the compressed stream ends early", files_[file_].string());
  at_end_ = count < block_bytes;
  return count > 0;
}

double TextSource::share_read() const {
  const double files = static_cast<double>(file_) + (stream_ ? stream_->share_read() : 0);
  return files / static_cast<double>(files_.size());
}

}  // namespace ctrain
