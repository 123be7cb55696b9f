// ctrain tokenizer train, encode and decode.
#include <fmt/ranges.h>

#include <charconv>
#include <chrono>
#include <filesystem>

#include "runtime/console/task_progress.h"
#include "runtime/data/input_stream.h"
#include "runtime/data/text/text_source.h"
#include "runtime/data/text/tokenizer.h"
#include "runtime/data/text/vocabulary_training.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* standard_input = "/dev/stdin";
constexpr std::size_t block_bytes = std::size_t{1} << 20;

WordCounts count_words(const std::vector<std::string>& inputs, const Logger* logger) {
  TaskProgress progress(logger, "counting words");
  WordCounts counts;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const TextFormat format = format_of(inputs[i]);
    TextSource source({inputs[i]}, format);
    std::string storage;
    for (TextPiece piece; source.next(piece);) {
      counts.add(piece.text(format, storage));
      const double files = static_cast<double>(i) + source.share_read();
      progress.update(files / static_cast<double>(inputs.size()), Clock::now());
    }
  }
  if (counts.words().empty()) throw usage_error("--input {}: there is no text in it", inputs.front());
  return counts;
}

std::string read_input(const TokenizerOptions& options) {
  InputStream stream(options.input.empty() ? standard_input : options.input.front());
  std::string content;
  for (std::size_t count = block_bytes; count == block_bytes;) {
    const std::size_t before = content.size();
    content.resize(before + block_bytes);
    count = stream.read(std::as_writable_bytes(std::span(content).subspan(before)));
    content.resize(before + count);
  }
  return content;
}

std::vector<std::int32_t> parse_ids(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n,";
  std::vector<std::int32_t> ids;
  for (std::size_t begin = text.find_first_not_of(blanks); begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(blanks, begin), text.size());
    std::int32_t id = 0;
    const auto [rest, failure] = std::from_chars(text.data() + begin, text.data() + end, id);
    if (failure != std::errc() || rest != text.data() + end)
      throw usage_error("'{}': expected token ids with blanks between them",
                        text.substr(begin, std::min<std::size_t>(end - begin, 40)));
    ids.push_back(id);
    begin = text.find_first_not_of(blanks, end);
  }
  return ids;
}

}  // namespace

int train_tokenizer(const Options& options) {
  const TokenizerOptions& tokenizer = options.tokenizer;
  if (!options.overwrite && fs::exists(fs::path(options.output) / "vocab.json"))
    throw usage_error("--output {}: the folder already holds a tokenizer; expected another, or --overwrite",
                      options.output);
  Console console;
  const Logger logger(console, options.log_level);
  const Logger* shown = options.show_progress ? &logger : nullptr;
  const WordCounts counts = count_words(tokenizer.input, shown);
  Vocabulary vocabulary;
  {
    TaskProgress progress(shown, "making tokens");
    vocabulary = train_vocabulary(counts, tokenizer.vocab_size, [&](std::int64_t tokens) {
      progress.update(static_cast<double>(tokens) / static_cast<double>(tokenizer.vocab_size), Clock::now());
    });
  }
  write_vocabulary(vocabulary, options.output);
  const std::int64_t size = std::ssize(vocabulary.tokens);
  if (size < tokenizer.vocab_size) logger.warning("the text has {} tokens only: no pair of them occurs twice", size);
  logger.info("{}: vocab.json and merges.txt of {} tokens, from {} different words", options.output, size,
              counts.words().size());
  return 0;
}

int encode_text(const Options& options) {
  const Tokenizer tokenizer(read_vocabulary(options.tokenizer.path));
  const std::string text = options.tokenizer.text ? *options.tokenizer.text : read_input(options.tokenizer);
  print(fmt::format("{}\n", fmt::join(tokenizer.encode(text), " ")));
  return 0;
}

int decode_tokens(const Options& options) {
  const Tokenizer tokenizer(read_vocabulary(options.tokenizer.path));
  print(tokenizer.decode(parse_ids(read_input(options.tokenizer))));
  return 0;
}

}  // namespace ctrain
