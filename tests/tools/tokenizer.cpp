// ctrain tokenizer: train, encode, decode.
#include <catch2/catch.hpp>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("A tokenizer is trained, and encodes what it decodes again") {
  const Workplace place;
  std::string text;
  for (int i = 0; i < 50; ++i) text += "the cat sat on the mat, that's all: é\n";
  place.write("corpus.txt", text);
  place.write("more.jsonl", "{\"text\": \"the hat\"}\n{\"text\": \"the rat\"}\n");
  const Ended made = place.run(
      {"tokenizer", "train", "--input", "corpus.txt", "more.jsonl", "--vocab_size", "270", "--output", "made"});
  INFO(made.error);
  CHECK(made.exit_code == 0);
  CHECK(made.output.empty());
  CHECK_THAT(made.error, Contains("made: vocab.json and merges.txt of 270 tokens"));
  CHECK_THAT(place.read("made/merges.txt"), Contains("#version: 0.2\n") && Contains("\nt h\n"));
  CHECK_THAT(place.read("made/vocab.json"), Contains("\"<|endoftext|>\":269"));

  const Ended encoded = place.run({"tokenizer", "encode", "--tokenizer", "made", "--input", "corpus.txt"});
  CHECK(encoded.exit_code == 0);
  place.write("ids.txt", encoded.output);
  const Ended decoded = place.run({"tokenizer", "decode", "--tokenizer", "made", "--input", "ids.txt"});
  CHECK(decoded.exit_code == 0);
  CHECK(decoded.output == text);
  CHECK(place.run({"tokenizer", "encode", "--tokenizer", "made", "--text", "<|endoftext|>"}).output == "269\n");
  CHECK(place.run({"tokenizer", "encode", "--tokenizer", "made"}).output == "\n");  // nothing on standard input

  const Ended fewer =
      place.run({"tokenizer", "train", "--input", "more.jsonl", "--vocab_size", "999", "--output", "fewer", "--quiet"});
  CHECK(fewer.exit_code == 0);
  CHECK_THAT(fewer.error, Contains("warning: the text has 260 tokens only"));
  check_refused(place, {"tokenizer", "train", "--input", "corpus.txt", "--vocab_size", "300", "--output", "made"},
                {"--output made", "already holds a tokenizer", "--overwrite"});
}

TEST_CASE("What a tokenizer's commands refuse") {
  const Workplace place;
  place.write("bad.txt", "fine\nnot \xFF\n");
  place.write("empty.txt", "");
  place.write("made/vocab.json", "{}");
  place.write("made/merges.txt", "");
  const auto train = [](const std::string& input) {
    return std::vector<std::string>{"tokenizer", "train", "--input", input, "--vocab_size", "300", "--output", "new"};
  };
  check_refused(place, train("bad.txt"), {"bad.txt:2:5: invalid UTF-8: byte 0xff"});
  check_refused(place, train("empty.txt"), {"empty.txt: the file is empty"});
  check_refused(place, train("nowhere.txt"), {"nowhere.txt: cannot be opened"});
  check_refused(place, {"tokenizer"}, {"expected ctrain tokenizer train, encode or decode"});
  check_refused(place, {"tokenizer", "encde"}, {"did you mean 'tokenizer encode'?"});
  check_refused(place, {"tokenizer", "train", "--input", "bad.txt"}, {"--vocab_size is missing"});
  check_refused(place, {"tokenizer", "train", "--vocab_size", "256"}, {"--vocab-size", "'256'", "from 257"});
  check_refused(place, {"tokenizer", "encode"}, {"--tokenizer is missing"});
  check_refused(place, {"tokenizer", "encode", "--tokenizer", "made"}, {"made/vocab.json: the byte 0x21 ('!')"});
  check_refused(place, {"tokenizer", "encode", "--tokenizer", "none"}, {"none: cannot open"});
}

TEST_CASE("Ids that are none are refused") {
  const Workplace place;
  place.write("corpus.txt", "a a a a");
  REQUIRE(
      place.run({"tokenizer", "train", "--input", "corpus.txt", "--vocab_size", "257", "--output", "made"}).exit_code ==
      0);
  const auto refused = [&](const std::string& ids, const std::string& message) {
    place.write("ids.txt", ids);
    check_refused(place, {"tokenizer", "decode", "--tokenizer", "made", "--input", "ids.txt"}, {message});
  };
  refused("1 2 x", "'x': expected token ids");
  refused("1 99999999999", "'99999999999': expected token ids");
  refused("257", "257: no token id; expected 0 to 256");
}

TEST_CASE("Every command of the tokenizer has its help") {
  const Workplace place;
  CHECK_THAT(place.run({"tokenizer", "--help"}).output, Contains("ctrain tokenizer train"));
  for (const char* command : {"train", "encode", "decode"}) {
    const Ended help = place.run({"tokenizer", command, "--help"});
    CHECK(help.exit_code == 0);
    CHECK_THAT(help.output, Contains("--input") && Contains("Example:"));
  }
}

}  // namespace
}  // namespace ctrain
