#include "runtime/data/text/vocabulary_training.h"

#include <algorithm>
#include <queue>

#include "memory/error.h"

namespace ctrain {
namespace {

using Pair = std::uint64_t;  // two ids, which compare as (left, right)

Pair pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
}

struct Word {
  std::vector<std::int32_t> ids;
  std::int64_t count = 0;
};

struct PairCount {
  std::int64_t count = 0;            // of its occurrences in the text
  std::vector<std::size_t> words{};  // that hold it, or did
};

// As a heap orders them: the most frequent first, then the lowest ids.
struct Candidate {
  std::int64_t count = 0;
  Pair pair = 0;
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.count != b.count ? a.count < b.count : a.pair > b.pair;
  }
};

class Training {
 public:
  Training(const WordCounts& counts, std::int64_t size) : size_(size), vocabulary_(byte_vocabulary()) {
    vocabulary_.tokens.pop_back();  // <|endoftext|> comes last again
    std::array<std::int32_t, 256> byte_ids{};
    for (std::size_t id = 0; id < 256; ++id) {
      byte_ids[static_cast<std::uint8_t>(vocabulary_.tokens[id].front())] = static_cast<std::int32_t>(id);
      ids_.emplace(vocabulary_.tokens[id], static_cast<std::int32_t>(id));
    }
    for (const auto& [text, count] : counts.words()) {
      Word word{{}, count};
      for (const char byte : text) word.ids.push_back(byte_ids[static_cast<std::uint8_t>(byte)]);
      words_.push_back(std::move(word));
    }
    for (std::size_t w = 0; w < words_.size(); ++w) count_pairs(w, +1, [](Pair) { return true; });
    for (const auto& [pair, found] : pairs_) candidates_.push({found.count, pair});
  }

  // Makes one more merge; false where there is none to make.
  bool step() {
    if (std::ssize(vocabulary_.tokens) + 1 >= size_) return false;
    while (!candidates_.empty()) {
      const Candidate top = candidates_.top();
      candidates_.pop();
      const std::int64_t now = pairs_.at(top.pair).count;
      if (now < fewest_occurrences) continue;
      if (now == top.count) {
        merge(top.pair);
        return true;
      }
      candidates_.push({now, top.pair});  // it has lost occurrences since
    }
    return false;
  }

  Vocabulary finish() {
    vocabulary_.end_of_text = static_cast<std::int32_t>(vocabulary_.tokens.size());
    vocabulary_.tokens.emplace_back(end_of_text_name);
    return std::move(vocabulary_);
  }

  [[nodiscard]] std::int64_t tokens() const { return std::ssize(vocabulary_.tokens); }

 private:
  static constexpr std::int64_t fewest_occurrences = 2;

  // Adds the word's pairs to the counts, or takes them off; notes the word at those pairs that are `new_here`.
  template <typename NewHere>
  void count_pairs(std::size_t w, int sign, NewHere&& new_here) {
    const Word& word = words_[w];
    for (std::size_t i = 1; i < word.ids.size(); ++i) {
      const Pair pair = pair_of(word.ids[i - 1], word.ids[i]);
      PairCount& found = pairs_[pair];
      found.count += sign * word.count;
      if (sign > 0 && new_here(pair) && (found.words.empty() || found.words.back() != w)) found.words.push_back(w);
    }
  }

  void merge(Pair pair) {
    const auto left = static_cast<std::int32_t>(pair >> 32), right = static_cast<std::int32_t>(pair & 0xFFFFFFFF);
    const std::int32_t result =
        id_of(vocabulary_.tokens[static_cast<std::size_t>(left)] + vocabulary_.tokens[static_cast<std::size_t>(right)]);
    vocabulary_.merges.push_back({left, right, result});
    const auto is_made = [result](Pair made) {
      return static_cast<std::int32_t>(made >> 32) == result || static_cast<std::int32_t>(made & 0xFFFFFFFF) == result;
    };
    made_.clear();
    const std::vector<std::size_t> holders = std::exchange(pairs_[pair].words, {});
    for (const std::size_t w : holders) {
      std::vector<std::int32_t>& ids = words_[w].ids;
      if (!holds(ids, left, right)) continue;  // another merge took it apart
      count_pairs(w, -1, is_made);
      replace(ids, left, right, result);
      count_pairs(w, +1, is_made);
      for (std::size_t i = 1; i < ids.size(); ++i)
        if (const Pair made = pair_of(ids[i - 1], ids[i]); is_made(made)) made_.push_back(made);
    }
    std::sort(made_.begin(), made_.end());
    made_.erase(std::unique(made_.begin(), made_.end()), made_.end());
    for (const Pair made : made_) candidates_.push({pairs_[made].count, made});
  }

  // Two ways of making the same token are two merges and one token.
  std::int32_t id_of(const std::string& token) {
    const auto [found, is_new] = ids_.emplace(token, static_cast<std::int32_t>(vocabulary_.tokens.size()));
    if (is_new) vocabulary_.tokens.push_back(token);
    return found->second;
  }

  static bool holds(const std::vector<std::int32_t>& ids, std::int32_t left, std::int32_t right) {
    for (std::size_t i = 1; i < ids.size(); ++i)
      if (ids[i - 1] == left && ids[i] == right) return true;
    return false;
  }

  static void replace(std::vector<std::int32_t>& ids, std::int32_t left, std::int32_t right, std::int32_t result) {
    std::size_t to = 0;
    for (std::size_t from = 0; from < ids.size(); ++to) {
      const bool is_pair = ids[from] == left && from + 1 < ids.size() && ids[from + 1] == right;
      ids[to] = is_pair ? result : ids[from];
      from += is_pair ? 2 : 1;
    }
    ids.resize(to);
  }

  std::int64_t size_;
  Vocabulary vocabulary_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairCount> pairs_;
  std::priority_queue<Candidate> candidates_;  // the counts of some are out of date, never too low
  std::vector<Pair> made_;
};

}  // namespace

void WordCounts::add(std::string_view text) {
  const std::string_view mark = end_of_text_name;
  for (;;) {
    const std::size_t end = std::min(text.find(mark), text.size());
    pre_tokenizer_.split(text.substr(0, end), [&](std::string_view word) {
      const auto found = words_.find(word);
      if (found != words_.end()) {
        ++found->second;
      } else {
        words_.emplace(word, 1);
      }
    });
    if (end == text.size()) return;
    text.remove_prefix(end + mark.size());
  }
}

Vocabulary train_vocabulary(const WordCounts& counts, std::int64_t size,
                            const std::function<void(std::int64_t)>& report) {
  require(size >= smallest_vocabulary, "a vocabulary of {} tokens", size);
  Training training(counts, size);
  while (training.step()) report(training.tokens());
  return training.finish();
}

}  // namespace ctrain
