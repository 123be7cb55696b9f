#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/config/load.h"
#include "runtime/data/loader.h"
#include "runtime/data/text/token_cache.h"
#include "runtime/file.h"
#include "tests/runtime/console/captured_console.h"
#include "text_fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;
using Catch::StartsWith;
using Ids = std::vector<std::int32_t>;

namespace {

constexpr std::int32_t end_of_text = 256;  // of the tokenizer of bytes

// A folder with texts and, in it, the cache of this process's datasets.
class Texts {
 public:
  Texts() { ::setenv("CTRAIN_CACHE", (folder_ / "cache").c_str(), 1); }
  ~Texts() { ::unsetenv("CTRAIN_CACHE"); }

  fs::path write(const std::string& name, std::string_view text) const {
    write_text(folder_ / name, text);
    return folder_ / name;
  }
  [[nodiscard]] std::vector<fs::path> cached() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache")) files.push_back(entry.path());
    return files;
  }
  [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

std::unique_ptr<Dataset> open(const std::string& type, const fs::path& path, std::vector<Setting::Member> more = {}) {
  more.insert(more.begin(), {{"type", Setting::of(type)}, {"path", Setting::of(path.string())}});
  return open_dataset(mapping(std::move(more)), "train_data.dataset");
}

Setting::Member length(int tokens) { return {"seq_len", Setting::of(tokens)}; }
Setting::Member packing(bool is_on) { return {"packing", Setting::of(is_on)}; }
Setting::Member split(const std::string& part) { return {"split", Setting::of(part)}; }

Ids tokens(const Dataset& dataset, std::int64_t sample) {
  Ids ids(static_cast<std::size_t>(dataset.facts().input_shape[0]) + 1, -7);
  dataset.read_tokens(sample, ids);
  return ids;
}

// Of all samples, without the labels that belong to the next one and padding.
Ids all_tokens(const Dataset& dataset) {
  Ids all;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const Ids sample = tokens(dataset, i);
    std::copy_if(sample.begin(), sample.end() - 1, std::back_inserter(all), [](int id) { return id >= 0; });
  }
  return all;
}

// As the tokenizer of bytes encodes it, with the end of the document.
Ids bytes_of(const std::string& text) {
  Ids ids = Tokenizer(byte_vocabulary()).encode(text);
  ids.push_back(end_of_text);
  return ids;
}

}  // namespace

TEST_CASE("Documents are packed with <|endoftext|> between them") {
  const Texts texts;
  const fs::path file = texts.write("two.jsonl", "{\"text\": \"abcd\"}\n{\"text\": \"\"}\n{\"text\": \"efg\"}\n");
  const auto dataset = open("WebtextDataset", file, {length(3)});
  CHECK(dataset->facts().form == InputForm::tokens);
  CHECK(dataset->facts().num_classes == 257);
  CHECK(dataset->facts().input_shape == std::vector<std::int64_t>{3});
  Ids stream = bytes_of("abcd");
  const Ids second = bytes_of("efg");
  stream.insert(stream.end(), second.begin(), second.end());
  REQUIRE(stream.size() == 9);
  REQUIRE(dataset->size() == 3);
  CHECK(tokens(*dataset, 0) == Ids(stream.begin(), stream.begin() + 4));
  CHECK(tokens(*dataset, 1) == Ids(stream.begin() + 3, stream.begin() + 7));
  CHECK(tokens(*dataset, 2) == Ids{stream[6], stream[7], stream[8], -1});

  const auto exact = open("WebtextDataset", file, {length(8)});  // the ninth token is the last label
  REQUIRE(exact->size() == 1);
  CHECK(tokens(*exact, 0) == stream);
}

TEST_CASE("Without packing a sample is a document, cut or padded") {
  const Texts texts;
  const fs::path file = texts.write("two.jsonl", "{\"text\": \"abcdef\"}\n{\"text\": \"gh\"}\n{\"text\": \"ijk\"}\n");
  const auto dataset = open("WebtextDataset", file, {length(3), packing(false)});
  REQUIRE(dataset->size() == 3);
  const Ids first = bytes_of("abcdef"), second = bytes_of("gh");
  CHECK(tokens(*dataset, 0) == Ids(first.begin(), first.begin() + 4));
  CHECK(tokens(*dataset, 1) == Ids{second[0], second[1], end_of_text, -1});
  CHECK(tokens(*dataset, 2) == bytes_of("ijk"));
}

TEST_CASE("Plain files are documents, and may hold marks between more of them") {
  const Texts texts;
  texts.write("a.txt", "<|endoftext|>one<|endoftext|><|endoftext|>two");
  texts.write("b.txt", "three<|endoftext|>");
  const Setting paths =
      Setting::of({Setting::of((texts.folder() / "a.txt").string()), Setting::of((texts.folder() / "b.txt").string())});
  const auto dataset =
      open_dataset(mapping({{"type", Setting::of("TextDataset")}, {"path", paths}, length(10), packing(false)}),
                   "train_data.dataset");
  REQUIRE(dataset->size() == 3);
  Ids third = bytes_of("three");
  third.resize(11, -1);
  CHECK(tokens(*dataset, 2) == third);
}

TEST_CASE("A batch has ids, and as labels the ids that come next") {
  const Texts texts;
  const auto dataset = open("TextDataset", texts.write("a.txt", "abcde"), {length(4)});
  const Setting setting = mapping({});
  const TransformPipeline pipeline(*dataset, setting, "train_data.dataset", 1);
  Segments all;
  all.runs[0] = {0, 4};
  Loader loader(*dataset, pipeline, {.batch_size = 2},
                {{FeedField::tokens, 0, 2, DType::i32, all}, {FeedField::labels, 0, 2, DType::i32, all}}, 0, 0);
  const Batch& batch = loader.next();
  const Ids stream = bytes_of("abcde");
  const auto row = [&](std::size_t feed, int r) {
    return Ids(batch.data<std::int32_t>(feed) + 4 * r, batch.data<std::int32_t>(feed) + 4 * (r + 1));
  };
  CHECK(row(0, 0) == Ids(stream.begin(), stream.begin() + 4));
  CHECK(row(1, 0) == Ids(stream.begin() + 1, stream.begin() + 5));
  CHECK(row(0, 1) == Ids{stream[4], end_of_text, -1, -1});
  CHECK(row(1, 1) == Ids{end_of_text, -1, -1, -1});
}

TEST_CASE("A text is split into a part for training and its end for testing") {
  const Texts texts;
  const std::string text(99, 'x');
  const fs::path file = texts.write("a.txt", text);
  CHECK(all_tokens(*open("TextDataset", file, {length(7), split("train")})) == Ids(90, bytes_of("x")[0]));
  Ids held_out(9, bytes_of("x")[0]);
  held_out.push_back(end_of_text);
  CHECK(all_tokens(*open("TextDataset", file, {length(7), split("test")})) == held_out);
  CHECK(open("TextDataset", file, {length(7), split("test"), {"test_size", Setting::of(0.5)}})->size() == 7);
  CHECK(texts.cached().size() == 1);

  std::string lines;
  for (int i = 0; i < 10; ++i) lines += "{\"text\": \"abcd\"}\n";
  const fs::path documents = texts.write("a.jsonl", lines);
  CHECK(open("WebtextDataset", documents, {length(9), packing(false), split("train")})->size() == 9);
  const auto tested = open("WebtextDataset", documents, {length(4), packing(false), split("test")});
  REQUIRE(tested->size() == 1);
  CHECK(tokens(*tested, 0) == bytes_of("abcd"));
  CHECK_THAT(usage_message([&] {
               open("TextDataset", file, {packing(false), split("test")});
             }),
             Contains("train_data.dataset.split: 'test': no documents are left"));
}

TEST_CASE("The labels of all samples stand for this many bytes of text, whatever the tokenizer") {
  const Texts texts;
  const std::string lines = "{\"text\": \"the 1é\"}\n{\"text\": \"bab\"}\n";
  const fs::path file = texts.write("a.jsonl", lines);
  write_vocabulary(small_vocabulary(), texts.folder() / "tokenizer");
  const Setting tokenizer = mapping({{"file", Setting::of((texts.folder() / "tokenizer").string())}});
  // Packed: all but the first byte. Of documents: all but the first bytes of each, and of these what fits.
  CHECK(open("WebtextDataset", file, {length(4)})->label_bytes() == 7 + 3 - 1);
  CHECK(open("WebtextDataset", file, {length(99), packing(false)})->label_bytes() == 6 + 2);
  CHECK(open("WebtextDataset", file, {length(4), packing(false)})->label_bytes() == 4 + 2);
  const auto dataset = open("WebtextDataset", file, {length(4), {"tokenizer", tokenizer}});
  const Vocabulary vocabulary = small_vocabulary();
  CHECK(dataset->label_bytes() ==
        7 + 3 - std::ssize(vocabulary.tokens[static_cast<std::size_t>(tokens(*dataset, 0)[0])]));

  dataset->save_with_model(texts.folder() / "model");
  CHECK(fingerprint(read_vocabulary(texts.folder() / "model")) == fingerprint(vocabulary));
}

TEST_CASE("Tokens are made once, and made anew for another text or tokenizer") {
  const Texts texts;
  const fs::path file = texts.write("a.txt", "abc abc abc");
  open("TextDataset", file);
  const auto first = texts.cached();
  REQUIRE(first.size() == 1);
  const auto time = fs::last_write_time(first[0]);
  fs::last_write_time(first[0], time - std::chrono::hours(1));
  open("TextDataset", file, {length(2)});
  CHECK(fs::last_write_time(first[0]) == time - std::chrono::hours(1));

  write_vocabulary(small_vocabulary(), texts.folder() / "tokenizer");
  const Setting tokenizer = mapping({{"file", Setting::of((texts.folder() / "tokenizer").string())}});
  CHECK(open("TextDataset", file, {{"tokenizer", tokenizer}})->facts().num_classes == 400);
  CHECK(texts.cached().size() == 2);
  texts.write("a.txt", "another text");
  CHECK(all_tokens(*open("TextDataset", file)) == bytes_of("another text"));
  CHECK(texts.cached().size() == 3);

  write_text(first[0], "damaged");
  texts.write("b.txt", "abc");
  CHECK_FALSE(TokenFile::open(first[0]).has_value());
}

TEST_CASE("Any number of threads and processes make the same tokens") {
  const Texts texts;
  std::mt19937 random(8);
  std::string lines;
  for (int i = 0; i < 2000; ++i)
    lines += nlohmann::json({{"text", random_text(random, random() % 100, mixed_characters())}}).dump() + "\n";
  const fs::path file = texts.write("many.jsonl", lines);
  const Tokenizer tokenizer(small_vocabulary());
  const auto content = [&](const std::string& cache) {
    const fs::path folder = texts.folder() / cache;
    tokenise({file}, TextFormat::json_lines, tokenizer, folder, nullptr);
    std::vector<fs::path> files(fs::directory_iterator(folder), {});
    REQUIRE(files.size() == 1);
    return read_file(files[0]);
  };
  const std::string expected = content("default");
  const int threads = omp_get_max_threads();
  for (const int count : {1, 3}) {
    omp_set_num_threads(count);
    CHECK((content("threads" + std::to_string(count)) == expected));
  }
  omp_set_num_threads(threads);
  std::vector<std::jthread> openers;
  for (int i = 0; i < 4; ++i)
    openers.emplace_back(
        [&] { tokenise({file}, TextFormat::json_lines, tokenizer, texts.folder() / "shared", nullptr); });
  openers.clear();
  CHECK((content("shared") == expected));
}

TEST_CASE("What was tokenised is told") {
  const Texts texts;
  const fs::path file = texts.write("a.txt", "abc");
  CapturedConsole captured;
  const Logger logger(captured.console, LogLevel::info);
  const Setting setting = mapping({{"type", Setting::of("TextDataset")}, {"path", Setting::of(file.string())}});
  open_dataset(setting, "train_data.dataset", &logger);
  CHECK_THAT(captured.text(), StartsWith("tokenised a.txt: 4 tokens, 1 document, in 0.0 s"));
  open_dataset(setting, "train_data.dataset", &logger);
  CHECK(captured.text().empty());
}

TEST_CASE("Problems with text data are told at their place in the configuration") {
  const Texts texts;
  const auto message = [&](const fs::path& path, std::vector<Setting::Member> more = {}) {
    return usage_message([&] { open("WebtextDataset", path, std::move(more)); });
  };
  CHECK_THAT(message(texts.folder() / "nowhere.jsonl"),
             StartsWith("job.yaml:9:11: train_data.dataset.path: ") && Contains("nowhere.jsonl: no such file"));
  CHECK_THAT(message(texts.folder().path()), Contains("expected a file of text"));
  CHECK_THAT(message(texts.write("a.jsonl", "{\"text\": \"a\"}\n{}\n")), Contains("a.jsonl:2: expected a JSON object"));
  CHECK_THAT(message(texts.write("b.jsonl", "\n")), Contains("b.jsonl: there is no text in it"));
  CHECK(texts.cached().empty());
  const fs::path good = texts.write("c.jsonl", "{\"text\": \"abc\"}\n");
  CHECK_THAT(message(good, {length(0)}), Contains("train_data.dataset.seq_len: 0: expected 1 to"));
  const auto with_tokenizer = [&](std::vector<Setting::Member> members) {
    return message(good, {{"tokenizer", mapping(std::move(members))}});
  };
  CHECK_THAT(with_tokenizer({{"vocab", Setting::of("vocab.json")}}),
             Contains("train_data.dataset.tokenizer: expected vocab and merges, or file"));
  write_vocabulary(small_vocabulary(), texts.folder() / "tokenizer");
  CHECK_THAT(with_tokenizer({{"vocab", Setting::of((texts.folder() / "tokenizer/vocab.json").string())},
                             {"merges", Setting::of("nowhere/merges.txt")}}),
             Contains("train_data.dataset.tokenizer: nowhere/merges.txt: cannot open: No such file"));
  ::setenv("CTRAIN_CACHE", "/proc/nowhere", 1);
  CHECK_THAT(message(good), Contains("/proc/nowhere: tokens cannot be kept there") && Contains("CTRAIN_CACHE"));
}

TEST_CASE("One text for training and testing is split; two are taken whole") {
  const auto splits = [](const std::string& train, const std::string& test) {
    const Configuration job = load_configuration_text(
        "GLOBAL_BATCH_SIZE: 4\nmodel: {type: gpt2}\noptimizer: {type: SGD, lr: 0.1}\n"
        "loss: {type: CrossEntropyLoss}\ntrain_data: {dataset: {type: TextDataset, " +
            train + "}}\ntest_data: {dataset: {type: TextDataset, " + test + "}}\n",
        "job.yaml");
    return job.root.at("train_data.dataset.split").text() + " " + job.root.at("test_data.dataset.split").text();
  };
  CHECK(splits("path: a.txt", "path: a.txt") == "train test");
  CHECK(splits("path: a.txt", "path: b.txt") == "all all");
  CHECK(splits("path: a.txt, split: all", "path: a.txt") == "all test");
  CHECK(splits("path: [a.txt, b.txt]", "path: [a.txt, b.txt]") == "train test");
}
