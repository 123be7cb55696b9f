#include <algorithm>
#include <map>

#include "text_fixtures.h"

using namespace ctrain;
using namespace ctrain::test;

namespace {

Vocabulary train(const std::string& text, std::int64_t size) {
  WordCounts counts;
  counts.add(text);
  return train_vocabulary(counts, size);
}

// The merges of a training that counts all pairs anew before each, as tokens.
std::vector<std::pair<std::string, std::string>> train_plainly(const std::string& text, std::size_t merges) {
  const Vocabulary bytes = byte_vocabulary();
  std::vector<std::string> tokens(bytes.tokens.begin(), bytes.tokens.end() - 1);
  std::vector<std::vector<int>> words;
  PreTokenizer().split(text, [&](std::string_view word) {
    words.emplace_back();
    for (const char byte : word)
      words.back().push_back(
          static_cast<int>(std::find(tokens.begin(), tokens.end(), std::string(1, byte)) - tokens.begin()));
  });
  std::vector<std::pair<std::string, std::string>> result;
  while (result.size() < merges) {
    std::map<std::pair<int, int>, int> counts;
    for (const auto& word : words)
      for (std::size_t i = 1; i < word.size(); ++i) ++counts[{word[i - 1], word[i]}];
    const auto best = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto [left, right] = best->first;
    const std::string made = tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)];
    result.emplace_back(tokens[static_cast<std::size_t>(left)], tokens[static_cast<std::size_t>(right)]);
    auto place = std::find(tokens.begin(), tokens.end(), made);
    const auto id = static_cast<int>(place - tokens.begin());
    if (place == tokens.end()) tokens.push_back(made);
    for (auto& word : words) {
      std::vector<int> merged;
      for (std::size_t i = 0; i < word.size(); ++i) {
        const bool is_pair = i + 1 < word.size() && word[i] == left && word[i + 1] == right;
        merged.push_back(is_pair ? id : word[i]);
        i += is_pair ? 1 : 0;
      }
      word = merged;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("The most frequent pair of a word becomes a token") {
  // low 5, lower 2, newest 6, widest 3: the example of Sennrich et al.; ew and ne are equally frequent.
  const auto repeated = [](const std::string& word, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += word + "\n";
    return text;
  };
  const Vocabulary made =
      train(repeated("low", 5) + repeated("lower", 2) + repeated("newest", 6) + repeated("widest", 3), 263);
  CHECK(std::vector<std::string>(made.tokens.begin() + 256, made.tokens.end()) ==
        std::vector<std::string>{"es", "est", "lo", "low", "ew", "new", end_of_text_name});
  CHECK(made.end_of_text == 262);
}

TEST_CASE("Counts that are kept up to date are those counted anew") {
  std::mt19937 random(17);
  for (int round = 0; round < 5; ++round) {
    const std::string text = random_text(random, 1500, mixed_characters());
    const auto expected = train_plainly(text, 60);
    const Vocabulary made = train(text, 1000);
    REQUIRE(made.merges.size() >= expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO("merge " << i);
      REQUIRE(made.tokens[static_cast<std::size_t>(made.merges[i].left)] == expected[i].first);
      REQUIRE(made.tokens[static_cast<std::size_t>(made.merges[i].right)] == expected[i].second);
    }
  }
}

TEST_CASE("Training depends on the text alone, not on the order of its words") {
  std::mt19937 random(23);
  std::vector<std::string> words;
  for (int i = 0; i < 500; ++i) words.push_back(" " + random_text(random, 1 + random() % 6, {"a", "b", "c", "é"}));
  const auto joined = [&] {
    std::string text;
    for (const std::string& word : words) text += word;
    return text;
  };
  const Vocabulary first = train(joined(), 350);
  std::shuffle(words.begin(), words.end(), random);
  CHECK(fingerprint(train(joined(), 350)) == fingerprint(first));
}

TEST_CASE("Training ends where no pair occurs twice; marks between documents are no words") {
  const Vocabulary made = train("abab<|endoftext|>abab", 1000);
  CHECK(std::vector<std::string>(made.tokens.begin() + 256, made.tokens.end()) ==
        std::vector<std::string>{"ab", "abab", end_of_text_name});
}
