// Text data that is missing, corrupt or does not fit the model: refused before anything starts. And text that is fine.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numbers>

#include "program.h"

namespace ctrain {
namespace {

// A folder with a text and a configuration that trains on it; tokens are kept in another.
class TextPlace : public Workplace {
 public:
  TextPlace() {
    ::setenv("CTRAIN_CACHE", cache_.path().c_str(), 1);
    write("corpus.txt", "To be, or not to be, that is the question.\n");
    write("config.yaml", config);
  }
  ~TextPlace() { ::unsetenv("CTRAIN_CACHE"); }
  TextPlace(const TextPlace&) = delete;
  TextPlace& operator=(const TextPlace&) = delete;

  void refused(const std::string& from, const std::string& to, const std::vector<std::string>& parts) const {
    write("config.yaml", with(config, from, to));
    check_refused(*this, {"--config", "config.yaml", "--output", "run"}, parts);
  }

  static constexpr const char* config = R"(BATCH_SIZE: 2
NUM_EPOCHS: 1
model: {type: gpt2, vocab_size: 257, max_position_embeddings: 8, hidden_size: 16, depth: 1, num_heads: 2}
train_data:
  dataset: {type: TextDataset, path: corpus.txt, seq_len: 8}
test_data:
  dataset: {type: TextDataset, path: corpus.txt, seq_len: 8}
loss: CrossEntropyLoss
optimizer: {type: SGD, lr: 0.1}
)";

 private:
  TemporaryFolder cache_;
};

TEST_CASE("A model trains on a text file") {
  const TextPlace place;
  const Ended ended = place.run({"--config", "config.yaml", "--output", "run"});
  INFO(ended.error);
  CHECK(ended.exit_code == 0);
  CHECK_THAT(ended.error, Catch::Contains("tokenised corpus.txt: 44 tokens, 1 document"));
  // Held out are 4 of 44 tokens: 3 labels, of which one is <|endoftext|> and the others are a byte each.
  const auto held_out = nlohmann::json::parse(place.read("run/summary.json"))["test"];
  CHECK(held_out["bits_per_byte"].get<double>() ==
        Approx(held_out["loss"].get<double>() * 3 / (2 * std::numbers::ln2)));
  CHECK_THAT(place.read("run/metrics.jsonl"), Catch::Contains("\"bits_per_byte\":"));
  const Ended again = place.run({"--config", "config.yaml", "--output", "again"});
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.error, !Catch::Contains("tokenised"));
}

TEST_CASE("Text data that is missing or corrupt") {
  const TextPlace place;
  const std::string at_path = "config.yaml:5:38: train_data.dataset.path: ", good = "path: corpus.txt";
  place.refused(good, "path: nowhere.txt", {at_path, "nowhere.txt: no such file"});
  place.refused(good, "origin: 'fortune > nowhere.txt', path: nowhere.txt",
                {"nowhere.txt: no such file; it comes from: fortune > nowhere.txt"});
  place.write("empty.txt", "");
  place.refused(good, "path: empty.txt", {at_path, "empty.txt: the file is empty"});
  place.write("binary.txt", "text\nmore \x80\xFE");
  place.refused(good, "path: binary.txt", {at_path, "binary.txt:2:6: invalid UTF-8: byte 0x80"});
  place.write("lines.jsonl", "{\"text\": \"a\"}\n{\"title\": \"b\"}\n");
  place.refused("TextDataset, path: corpus.txt", "WebtextDataset, path: lines.jsonl",
                {"train_data.dataset.path: ", "lines.jsonl:2: expected a JSON object with a 'text'"});
}

TEST_CASE("Text data and tokenizers that do not fit the model or each other") {
  const TextPlace place;
  place.refused("max_position_embeddings: 8", "max_position_embeddings: 7",
                {"config.yaml:5:59: train_data.dataset.seq_len: '8'", "at most model.max_position_embeddings, 7"});
  place.refused("vocab_size: 257", "vocab_size: 256",
                {"config.yaml:3:", "model: '256'", "at least 257 classes: train_data has that many"});
  const std::string good = "path: corpus.txt", where = "config.yaml:5:61: train_data.dataset.tokenizer: ";
  place.refused(good, "path: corpus.txt, tokenizer: gpt2",
                {where, "gpt2: no such file; `ctrain tokenizer train --input TEXT --output gpt2` makes one"});
  std::filesystem::create_directory(place.path() / "empty");
  place.refused(good, "path: corpus.txt, tokenizer: empty",
                {where, "empty/vocab.json: no such file; `ctrain tokenizer"});
  place.refused(good, "path: corpus.txt, tokenizer: {vocab: vocab.json}",
                {where, "expected vocab and merges, or file"});
  REQUIRE(
      place.run({"tokenizer", "train", "--input", "corpus.txt", "--vocab_size", "260", "--output", "made"}).exit_code ==
      0);
  place.refused(good, "path: corpus.txt, tokenizer: {vocab: made/vocab.json, merges: made/none}",
                {where, "made/none: cannot open: No such file"});
  place.write("made/fewer.txt", "");
  place.refused(good, "path: corpus.txt, tokenizer: {vocab: made/vocab.json, merges: made/fewer.txt}",
                {where, "is made by no merge of made/fewer.txt"});
  place.refused(good, "path: corpus.txt, tokenizer: made",
                {"model: '257'", "at least 260 classes: train_data has that many"});
}

}  // namespace
}  // namespace ctrain
