// Learns the merges of a byte-level BPE tokenizer: from single bytes on, the adjacent pair of tokens that occurs most
// often within words becomes a token, again and again (Sennrich et al. 2016, algorithm 1). Counts are kept up to date
// pair by pair, so that a merge costs as much as the words that hold it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime/data/text/pre_tokenizer.h"
#include "runtime/data/text/vocabulary.h"

namespace ctrain {

// How often each word occurs.
class WordCounts {
 public:
  // <|endoftext|> in the text separates documents and is no word.
  void add(std::string_view text);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  using Map = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;
  [[nodiscard]] const Map& words() const { return words_; }

 private:
  PreTokenizer pre_tokenizer_;
  Map words_;
};

inline constexpr std::int64_t smallest_vocabulary = 257;  // the bytes and <|endoftext|>

// A vocabulary of `size` tokens, at least smallest_vocabulary, with <|endoftext|> as the last id; of fewer where no
// pair occurs twice any more. A function of the counts alone: of pairs that occur equally often the one of lower ids
// comes first. Calls `report` (tokens so far) after each merge.
Vocabulary train_vocabulary(
    const WordCounts& counts, std::int64_t size, const std::function<void(std::int64_t)>& report = [](std::int64_t) {});

}  // namespace ctrain
