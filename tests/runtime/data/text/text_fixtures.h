// What the tests of text share.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "runtime/data/text/tokenizer.h"
#include "runtime/data/text/vocabulary_training.h"
#include "tests/runtime/data/fixtures.h"

namespace ctrain::test {

inline void write_text(const fs::path& path, std::string_view text) {
  write_file(path, Bytes(text.begin(), text.end()));
}

// `length` draws from `characters`.
inline std::string random_text(std::mt19937& random, std::size_t length, const std::vector<std::string>& characters) {
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += characters[random() % characters.size()];
  return text;
}

inline const std::vector<std::string>& mixed_characters() {
  static const std::vector<std::string> characters = {"a",  "b",  "c",  "a",      "b",      "the",    "1",    "2",
                                                      " ",  " ",  "\n", "\t",     "'",      "'s",     "'l",   "l",
                                                      ".",  "-",  "é",  "日",     "\u00a0", "\u3000", "🙂", "S",
                                                      "\r", "ll", "½",  "\u2028", "\u180e", "\x1c",   "_",    "\u0301"};
  return characters;
}

// A vocabulary that was trained on such text.
inline Vocabulary small_vocabulary(std::int64_t size = 400) {
  std::mt19937 random(1);
  WordCounts counts;
  counts.add(random_text(random, 5000, mixed_characters()));
  return train_vocabulary(counts, size);
}

}  // namespace ctrain::test
