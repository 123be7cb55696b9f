// GPT-2's byte-level BPE tokenizer: text to token ids and back. Any bytes can be encoded, and decode to themselves.
// The characters <|endoftext|> are one token wherever they stand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/text/byte_pair_encoding.h"
#include "runtime/data/text/pre_tokenizer.h"
#include "runtime/data/text/vocabulary.h"

namespace ctrain {

// Immutable: any number of threads may share one.
class Tokenizer {
 public:
  explicit Tokenizer(Vocabulary vocabulary);

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
  [[nodiscard]] const MergeTable& merges() const { return merges_; }
  [[nodiscard]] std::int64_t size() const { return std::ssize(vocabulary_.tokens); }  // ids are 0 ... size() - 1

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;

  // A usage Error where an id is none of the vocabulary.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const;

 private:
  Vocabulary vocabulary_;
  MergeTable merges_;
};

// Encodes on one thread; remembers the words that come often, and after its first ones allocates nothing but ids.
class Encoder {
 public:
  // The tokenizer must outlive the encoder.
  explicit Encoder(const Tokenizer& tokenizer);

  // Appends the ids of `text`.
  void append(std::string_view text, std::vector<std::int32_t>& ids);

 private:
  // A word and its ids, in one cache line. Longer words, and those of more ids, are encoded each time.
  struct alignas(64) Remembered {
    static constexpr std::size_t longest = 23, most_ids = 9;
    std::array<std::uint64_t, 3> word{};  // zero-padded; the last byte is its length
    std::array<std::int32_t, most_ids> ids{};
    std::uint8_t count = 0;
  };
  void append_word(std::string_view word, std::vector<std::int32_t>& ids);

  const Tokenizer& tokenizer_;
  PreTokenizer pre_tokenizer_;
  BytePairEncoding encoding_;
  std::vector<Remembered> memory_;  // by hash; a word replaces the one before at its place
};

}  // namespace ctrain
