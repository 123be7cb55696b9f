#include "tools/ctrain/tokenizer_options.h"

#include "memory/error.h"
#include "runtime/data/text/vocabulary_training.h"
#include "tools/ctrain/option_checks.h"

namespace ctrain {

void add_tokenizer_options(CLI::App& app, const std::string& command, Options& options) {
  const bool is_training = command == "tokenizer train";
  TokenizerOptions& tokenizer = options.tokenizer;
  CLI::Option* input = app.add_option("--input", tokenizer.input,
                                      is_training ? "texts: plain, or JSON lines where the name ends with\n.jsonl; "
                                                    "gzip or not\n--input corpus/*.txt"
                                                  : "a file (default: standard input)\n--input corpus.txt")
                           ->type_name("FILE")
                           ->check(not_empty("the path of a file"));
  if (!is_training) {
    input->expected(1);
    if (command == "tokenizer encode")
      app.add_option("--text", tokenizer.text, "the text itself\n--text 'Hello world'")->type_name("TEXT");
    app.add_option("--tokenizer", tokenizer.path,
                   "a folder with vocab.json and merges.txt, or a\ntokenizer.json\n--tokenizer my_tokenizer")
        ->type_name("PATH")
        ->check(not_empty("the path of a tokenizer"));
    return;
  }
  app.add_option("--vocab-size", tokenizer.vocab_size, "tokens: 256 bytes, <|endoftext|> and merges\n--vocab_size 8192")
      ->type_name("N")
      ->check(number<std::int64_t>(smallest_vocabulary, "a number of tokens from 257 to 2^28", 1 << 28));
  app.add_option("--output", options.output, "folder for vocab.json and merges.txt\n--output my_tokenizer")
      ->type_name("DIR")
      ->check(not_empty("the path of a folder"));
  app.add_flag("--overwrite", options.overwrite, "replace a tokenizer that the folder already holds");
}

void check_tokenizer_options(const std::string& command, const Options& options) {
  const TokenizerOptions& tokenizer = options.tokenizer;
  if (command == "tokenizer train") {
    if (tokenizer.input.empty() || tokenizer.vocab_size == 0 || options.output.empty())
      throw usage_error("--{} is missing; expected ctrain tokenizer train --input FILE --vocab_size N --output DIR",
                        tokenizer.input.empty()     ? "input"
                        : tokenizer.vocab_size == 0 ? "vocab_size"
                                                    : "output");
    return;
  }
  if (tokenizer.path.empty()) throw usage_error("--tokenizer is missing; expected ctrain {} --tokenizer PATH", command);
  if (tokenizer.text && !tokenizer.input.empty())
    throw usage_error("--text and --input: expected one of them, not both");
}

}  // namespace ctrain
