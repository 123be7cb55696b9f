#include <nlohmann/json.hpp>

#include "runtime/data/text/byte_alphabet.h"
#include "text_fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;

namespace {

using Json = nlohmann::ordered_json;

// vocab.json of the bytes, <|endoftext|> and more tokens.
Json vocab_with(const std::vector<std::string>& more) {
  Json vocab;
  int id = 0;
  for (const std::uint8_t byte : bytes_in_order()) vocab[to_printable(std::string(1, static_cast<char>(byte)))] = id++;
  for (const std::string& token : more) vocab[token] = id++;
  vocab[end_of_text_name] = id;
  return vocab;
}

struct Files {
  TemporaryFolder folder;
  std::string message(const std::string& vocab, const std::string& merges) const {
    write_text(folder / "vocab.json", vocab);
    write_text(folder / "merges.txt", merges);
    return usage_message([&] { (void)read_vocabulary(folder.path()); });
  }
};

}  // namespace

TEST_CASE("Every byte has a printable character, in GPT-2's order") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(from_printable(to_printable(all)) == all);
  CHECK(to_printable(" \n\x7F\xAD") == "ĠĊġŃ");
  CHECK(to_printable("!~\xA1") == "!~¡");
  CHECK(bytes_in_order()[0] == '!');
  CHECK(bytes_in_order()[188] == 0);
  CHECK(bytes_in_order()[220] == ' ');
  CHECK_FALSE(from_printable(" "));
  CHECK_FALSE(from_printable("日"));
  CHECK_FALSE(from_printable("\xC4"));
}

TEST_CASE("A vocabulary that is written is read again") {
  const TemporaryFolder folder;
  const Vocabulary written = small_vocabulary();
  write_vocabulary(written, folder / "made/below");
  const Vocabulary read = read_vocabulary(folder / "made/below");
  CHECK(read.tokens == written.tokens);
  CHECK(read.end_of_text == written.end_of_text);
  CHECK(fingerprint(read) == fingerprint(written));
  CHECK(fingerprint(read) != fingerprint(byte_vocabulary()));
}

TEST_CASE("Hugging Face's tokenizer.json of byte-level BPE is read") {
  const TemporaryFolder folder;
  Json vocab = vocab_with({"ab", "abc"});
  vocab.erase(end_of_text_name);
  Json json = {{"added_tokens", {{{"id", 258}, {"content", end_of_text_name}}}},
               {"normalizer", nullptr},
               {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
               {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b", "ab c"}}}}};
  const auto read = [&] {
    write_text(folder / "tokenizer.json", json.dump());
    return read_vocabulary(folder / "tokenizer.json");
  };
  CHECK(Tokenizer(read()).encode("abcab<|endoftext|>") == std::vector<std::int32_t>{257, 256, 258});
  json["model"]["merges"] = Json::array({Json::array({"a", "b"}), Json::array({"ab", "c"})});
  CHECK(read().merges.size() == 2);
  json["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK_THAT(usage_message([&] { (void)read(); }),
             Contains("tokenizer.json: pre_tokenizer/add_prefix_space is true: expected false"));
  json["pre_tokenizer"] = {{"type", "Metaspace"}};
  CHECK_THAT(usage_message([&] { (void)read(); }), Contains("pre_tokenizer/type is \"Metaspace\""));
}

TEST_CASE("Vocabularies and merges that are damaged or do not fit are refused at their place") {
  const Files files;
  const std::string vocab = vocab_with({"ab", "abc"}).dump(), merges = "#version: 0.2\na b\nab c\n";
  CHECK(files.message(vocab, merges) == "no error");
  CHECK(files.message(vocab, "a b\r\nab c\r\n\n") == "no error");

  CHECK_THAT(files.message("{", merges), Contains("vocab.json: no JSON"));
  CHECK_THAT(files.message("[1]", merges), Contains("vocab.json: expected a JSON object"));
  CHECK_THAT(files.message(R"({"a": "b"})", merges), Contains("the id of 'a' is \"b\""));
  CHECK_THAT(files.message(R"({"a": 0})", merges), Contains("the byte 0x21 ('!') is missing"));
  CHECK_THAT(files.message(R"({"a": 1, "b": 1})", merges), Contains("stands twice or leaves a gap"));
  CHECK_THAT(files.message(R"({"a b": 0})", merges), Contains("'a b' (id 0) is no token of bytes"));
  Json endless = vocab_with({});
  endless.erase(end_of_text_name);
  CHECK_THAT(files.message(endless.dump(), ""), Contains("the token <|endoftext|> is missing"));

  CHECK_THAT(files.message(vocab, merges + "x y\n"),
             Contains("merges.txt:4: 'x y': ") && Contains("vocab.json has no token 'xy'"));
  CHECK_THAT(files.message(vocab, "a b\n"),
             Contains("'abc' (id 257) is made by no merge of ") && Contains("merges.txt"));
  CHECK_THAT(files.message(vocab, merges + "a b\n"), Contains("merges.txt:4: 'a b' stands here a second time"));
  CHECK_THAT(files.message(vocab, "a b c\n"), Contains("merges.txt:1: 'a b c': expected two tokens"));
  CHECK_THAT(files.message(vocab, "ab\n"), Contains("merges.txt:1: 'ab': expected two tokens"));
  fs::remove(files.folder / "merges.txt");
  CHECK_THAT(usage_message([&] { (void)read_vocabulary(files.folder.path()); }),
             Contains("merges.txt: cannot open: No such file"));
}
