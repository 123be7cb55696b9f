// TextDataset (plain text) and WebtextDataset (JSON lines with a `text`): token ids for a language model. Arguments:
// path (a file or a list of them, gzip or not), origin (how to get them), seq_len (1024), tokenizer ({vocab, merges} or
// {file}; none: bytes), packing (true), split (all, train or test), test_size (0.1).
//
// packing: the documents, each with <|endoftext|> behind it, are one stream, of which sample i has the tokens from
// i * seq_len on, and as the label of its last token the one behind it. Without packing a sample is a document, cut at
// seq_len. What is missing from seq_len tokens is padding: id -1, which no embedding knows, with the label -1, which no
// loss counts; and as attention is causal and padding comes last, no other token sees it.
#include <algorithm>
#include <cmath>

#include "runtime/data/dataset.h"
#include "runtime/data/text/configured_vocabulary.h"
#include "runtime/data/text/token_cache.h"

namespace ctrain {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t longest_sequence = std::int64_t{1} << 24;

// The tokens from `begin` on and before `end`, in documents or as one stream.
struct TokenRange {
  std::int64_t begin = 0, end = 0;
};

class TextDataset : public Dataset {
 public:
  TextDataset(const DatasetFacts& facts, Vocabulary vocabulary, TokenFile tokens, TokenRange range, bool is_packed)
      : Dataset(facts),
        vocabulary_(std::move(vocabulary)),
        tokens_(std::move(tokens)),
        range_(range),
        first_document_(is_packed ? -1 : tokens_.document_from(range.begin)) {}

  void read_tokens(std::int64_t index, std::span<std::int32_t> ids) const override {
    const std::int64_t begin = first_document_ >= 0 ? tokens_.document_begin(first_document_ + index)
                                                    : range_.begin + index * facts().input_shape[0];
    const std::int64_t end = first_document_ >= 0 ? tokens_.document_begin(first_document_ + index + 1) : range_.end;
    const auto count = static_cast<std::size_t>(std::min(std::ssize(ids), end - begin));
    tokens_.read(begin, ids.first(count));
    std::fill(ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(), -1);
  }

  void save_with_model(const fs::path& folder) const override { write_vocabulary(vocabulary_, folder); }

  std::int64_t label_bytes() const override {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(facts().input_shape[0]) + 1);
    std::int64_t bytes = 0;
    for (std::int64_t i = 0; i < size(); ++i) {
      read_tokens(i, ids);
      for (const std::int32_t label : std::span(ids).subspan(1))
        if (label >= 0 && label != vocabulary_.end_of_text)
          bytes += std::ssize(vocabulary_.tokens[static_cast<std::size_t>(label)]);
    }
    return bytes;
  }

 private:
  Vocabulary vocabulary_;
  TokenFile tokens_;
  TokenRange range_;
  std::int64_t first_document_;  // -1: packed
};

std::vector<fs::path> files_of(const Arguments& arguments) {
  const std::vector<std::string> paths = arguments.texts("path");
  if (paths.empty()) throw arguments.error("path", "[]: expected the path of a file of text, or a list of them");
  for (const std::string& path : paths) {
    if (std::error_code unreadable; fs::exists(path, unreadable)) continue;
    const std::string origin = arguments.text("origin", "");
    throw arguments.error("path",
                          fmt::format("{}: no such file{}", path, origin.empty() ? "" : "; it comes from: " + origin));
  }
  return {paths.begin(), paths.end()};
}

TokenFile tokens_of(const Arguments& arguments, const std::vector<fs::path>& files, TextFormat format,
                    const Tokenizer& tokenizer) {
  try {
    return tokenise(files, format, tokenizer, cache_folder(), arguments.logger());
  } catch (const Error& problem) {
    if (problem.kind() == ErrorKind::running) throw;
    throw arguments.error("path", problem.what());
  }
}

// The part of the tokens that `split` names; whole documents where there is no packing.
TokenRange range_of(const Arguments& arguments, const TokenFile& tokens, bool is_packed) {
  const std::string split = arguments.text("split", "all");
  if (split == "all") return {0, tokens.tokens()};
  const double share = 1 - arguments.real("test_size", 0.1);
  std::int64_t cut = std::llround(share * static_cast<double>(tokens.tokens()));
  if (!is_packed) cut = tokens.document_begin(tokens.document_from(cut));
  const TokenRange range = split == "train" ? TokenRange{0, cut} : TokenRange{cut, tokens.tokens()};
  if (range.begin == range.end)
    throw arguments.error("split",
                          fmt::format("'{}': no {} are left in this part of {} tokens in {} documents", split,
                                      is_packed ? "tokens" : "documents", tokens.tokens(), tokens.documents()));
  return range;
}

std::unique_ptr<Dataset> open_text(const Arguments& arguments, TextFormat format) {
  DatasetFacts facts;
  facts.form = InputForm::tokens;
  const std::int64_t length = arguments.integer("seq_len", 1024);
  if (length < 1 || length > longest_sequence)
    throw arguments.error("seq_len", fmt::format("{}: expected 1 to {}", length, longest_sequence));
  facts.input_shape = {length};
  const std::vector<fs::path> files = files_of(arguments);
  const Tokenizer tokenizer(configured_vocabulary(arguments));
  facts.num_classes = tokenizer.size();
  TokenFile tokens = tokens_of(arguments, files, format, tokenizer);
  const bool is_packed = arguments.boolean("packing", true);
  const TokenRange range = range_of(arguments, tokens, is_packed);
  facts.size = is_packed ? (range.end - range.begin - 1 + length - 1) / length  // the last token is only a label
                         : tokens.document_from(range.end) - tokens.document_from(range.begin);
  if (facts.size == 0)
    throw arguments.error("split", "one token: expected two, of which the first predicts the second");
  return std::make_unique<TextDataset>(facts, tokenizer.vocabulary(), std::move(tokens), range, is_packed);
}

const Registration<DatasetFactory> register_plain("TextDataset", {[](const Arguments& arguments) {
                                                    return open_text(arguments, TextFormat::plain);
                                                  }});
const Registration<DatasetFactory> register_json("WebtextDataset", {[](const Arguments& arguments) {
                                                   return open_text(arguments, TextFormat::json_lines);
                                                 }});

}  // namespace
}  // namespace ctrain
