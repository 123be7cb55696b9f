// Golden ids are those of Hugging Face's tokenizers 0.23 and of tiktoken 0.14 with GPT-2's files.
#include <algorithm>

#include "runtime/data/text/byte_pair_encoding.h"
#include "runtime/data/text/text_source.h"
#include "text_fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Ids = std::vector<std::int32_t>;

namespace {

struct Golden {
  std::string text;
  Ids ids;
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  PreTokenizer().split(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

// The definition, word for word: of all pairs that stand there the one of lowest rank, everywhere, from the left.
Ids encode_plainly(const Vocabulary& vocabulary, std::string_view word) {
  const MergeTable table(vocabulary);
  Ids ids;
  for (const char byte : word) ids.push_back(table.byte_id(static_cast<std::uint8_t>(byte)));
  for (;;) {
    const Merge* best = nullptr;
    for (std::size_t i = 1; i < ids.size(); ++i)
      for (const Merge& merge : vocabulary.merges)
        if (merge.left == ids[i - 1] && merge.right == ids[i] && (best == nullptr || &merge < best)) best = &merge;
    if (best == nullptr) return ids;
    Ids merged;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool is_pair = i + 1 < ids.size() && ids[i] == best->left && ids[i + 1] == best->right;
      merged.push_back(is_pair ? best->result : ids[i]);
      i += is_pair ? 1 : 0;
    }
    ids = merged;
  }
}

}  // namespace

TEST_CASE("GPT-2's tokenizer gives the reference ids") {
  const auto folder = shared_folder("data/gpt2-bpe");
  if (!folder) {
    WARN("skipped: no shared folder with GPT-2's vocab.json and merges.txt");
    return;
  }
  const Tokenizer tokenizer(read_vocabulary(*folder));
  CHECK(tokenizer.size() == 50257);
  CHECK(tokenizer.vocabulary().end_of_text == 50256);
  const std::vector<Golden> samples = {
      {"Hello world, this is GPT-2 BPE.", {15496, 995, 11, 428, 318, 402, 11571, 12, 17, 347, 11401, 13}},
      {"That's my beautiful and sweet string", {2504, 338, 616, 4950, 290, 6029, 4731}},
      {"we'll they've I'm you're he'd don't SHE'LL ''s",
       {732, 1183, 484, 1053, 314, 1101, 345, 821, 339, 1549, 836, 470, 48052, 6, 3069, 10148, 82}},
      {"  leading, three   inner, trailing  ", {220, 3756, 11, 1115, 220, 220, 8434, 11, 25462, 220, 220}},
      {"a\n\n\nb\n c\t\td\r\n", {64, 628, 198, 65, 198, 269, 197, 197, 67, 201, 198}},
      {"naïve café — “quotes” … €5", {2616, 38776, 40304, 851, 564, 250, 421, 6421, 447, 251, 3926, 10432, 20}},
      {"日本語のテキスト。 中文",
       {33768, 98, 17312, 105, 45739, 252, 5641, 24336, 25084, 43302, 16764, 220, 40792, 23877, 229}},
      {"Привет, мир! Γειά",
       {140, 253, 21169, 18849, 38857, 16843, 20375, 11, 12466, 120, 18849, 21169, 0, 7377, 241, 30950, 29945, 138,
        105}},
      {"emoji 👩‍👩‍👧 🇩🇪 👍🏽",
       {368,   31370, 50169, 102,  447, 235, 41840, 102, 447,  235, 41840, 100,
        12520, 229,   102,   8582, 229, 103, 50169, 235, 8582, 237, 121}},
      {"123 45,678.90 ½ Ⅷ ٣", {10163, 4153, 11, 30924, 13, 3829, 25208, 2343, 227, 100, 18923, 96}},
      {"x\u00a0y\u2003z\u3000w\u180ev\x1cu", {87, 1849, 88, 447, 225, 89, 5099, 222, 86, 157, 254, 236, 85, 216, 84}},
      {"def f(x):\n    return x**2  # ok\n",
       {4299, 277, 7, 87, 2599, 198, 220, 220, 220, 1441, 2124, 1174, 17, 220, 1303, 12876, 198}},
      {"first<|endoftext|>second <|endoftext|>", {11085, 50256, 12227, 220, 50256}},
      {"e\u0301 \u0928\u092e\u0938\u094d\u0924\u0947",
       {68, 136, 223, 28225, 101, 11976, 106, 11976, 116, 24231, 235, 11976, 97, 24231, 229}},
  };
  for (const Golden& sample : samples) {
    INFO(sample.text);
    CHECK(tokenizer.encode(sample.text) == sample.ids);
    CHECK(tokenizer.decode(sample.ids) == sample.text);
  }
}

TEST_CASE("A corpus has as many GPT-2 tokens as the references count") {
  const auto vocabulary = shared_folder("data/gpt2-bpe"), corpus = shared_folder("data/tinyshakespeare");
  if (!vocabulary || !corpus) {
    WARN("skipped: no shared folder with GPT-2's files and tinyshakespeare");
    return;
  }
  const Tokenizer tokenizer(read_vocabulary(*vocabulary));
  TextSource source({*corpus / "input.txt"}, TextFormat::plain);
  Encoder encoder(tokenizer);
  Ids ids;
  std::string storage;
  for (TextPiece piece; source.next(piece);) encoder.append(piece.text(TextFormat::plain, storage), ids);
  std::uint64_t sum = 0;  // of place * id, so that the order counts
  for (std::size_t i = 0; i < ids.size(); ++i) sum += (i + 1) * static_cast<std::uint64_t>(ids[i]);
  CHECK(ids.size() == 338025);
  CHECK(sum == 234389866146670U);
}

TEST_CASE("Any bytes decode to themselves") {
  std::mt19937 random(7);
  const Tokenizer trained(small_vocabulary()), bytes(byte_vocabulary());
  for (int round = 0; round < 200; ++round) {
    std::string text(random() % 300, '\0');
    const std::uint32_t alphabet = random() % 2 == 0 ? 256 : 4;
    for (char& byte : text) byte = static_cast<char>(random() % alphabet + (alphabet == 4 ? 0x9F : 0));
    if (round % 3 == 0) text += random_text(random, 50, mixed_characters());
    if (round % 5 == 0) text.insert(text.size() / 2, end_of_text_name);
    CHECK(trained.decode(trained.encode(text)) == text);
    CHECK(bytes.decode(bytes.encode(text)) == text);
  }
  CHECK(trained.encode("").empty());
}

TEST_CASE("Words are merged as byte-pair encoding is defined") {
  std::mt19937 random(3);
  Vocabulary vocabulary = small_vocabulary(300);
  SECTION("with the merges of a training") {}
  SECTION("with merges in any order, some of which make the same token") {
    const auto id = [&](const std::string& token) {
      const auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), token);
      if (found == vocabulary.tokens.end()) vocabulary.tokens.push_back(token);
      return static_cast<std::int32_t>(std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), token) -
                                       vocabulary.tokens.begin());
    };
    vocabulary.merges.clear();
    for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
             {"aab", "a"}, {"b", "a"}, {"aa", "b"}, {"a", "a"}, {"a", "ab"}, {"ba", "b"}, {"a", "b"}, {"ab", "ab"}})
      vocabulary.merges.push_back({id(left), id(right), id(left + right)});
  }
  const MergeTable table(vocabulary);
  BytePairEncoding encoding(table);
  for (int round = 0; round < 300; ++round) {
    const std::string word = random_text(random, random() % 30, {"a", "b", "a", "b", "c", "the", "1"});
    Ids ids;
    encoding.append(word, ids);
    INFO(word);
    CHECK(ids == encode_plainly(vocabulary, word));
  }
}

TEST_CASE("Remembered words have the ids of words seen for the first time") {
  std::mt19937 random(5);
  const Tokenizer tokenizer(small_vocabulary());
  Encoder remembering(tokenizer);
  for (int round = 0; round < 50; ++round) {
    const std::string text = random_text(random, 400, mixed_characters()) + std::string(random() % 40, 'q');
    Ids ids;
    remembering.append(text, ids);
    CHECK(ids == tokenizer.encode(text));
  }
}

TEST_CASE("A long word without blanks takes no quadratic time") {
  const Tokenizer tokenizer(small_vocabulary());
  const std::string word(std::size_t{1} << 20, 'a');
  CHECK(tokenizer.decode(tokenizer.encode(word)) == word);
}

TEST_CASE("Text is cut into GPT-2's words") {
  using Words = std::vector<std::string>;
  CHECK(words_of("Hello world's  end, 12 or\n\n x.") ==
        Words{"Hello", " world", "'s", " ", " end", ",", " 12", " or", "\n\n", " x", "."});
  CHECK(words_of("  ") == Words{"  "});
  CHECK(words_of(" \u3000a\u00a0\u00a0b") == Words{" ", "\u3000", "a", "\u00a0", "\u00a0", "b"});
  CHECK(words_of("é\xFFz\xC3") == Words{"é", "\xFF", "z", "\xC3"});
  CHECK(words_of("").empty());
}

TEST_CASE("Cutting a text where it may be cut changes no word") {
  std::mt19937 random(11);
  int cuts = 0;
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(random, 40, mixed_characters());
    const std::size_t cut = PreTokenizer::last_cut(std::string_view(text).substr(0, random() % text.size()));
    if (cut == 0) continue;
    ++cuts;
    std::vector<std::string> parts = words_of(text.substr(0, cut));
    for (std::string& word : words_of(text.substr(cut))) parts.push_back(std::move(word));
    INFO(text);
    CHECK(parts == words_of(text));
  }
  CHECK(cuts > 100);
}

TEST_CASE("An id that no token has is refused") {
  const Tokenizer tokenizer(byte_vocabulary());
  for (const std::int32_t id : {-1, 257})
    CHECK_THAT(usage_message([&] { (void)tokenizer.decode(Ids{1, id}); }), Catch::Contains("expected 0 to 256"));
}
