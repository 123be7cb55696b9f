#include "runtime/data/text/text_source.h"

#include "text_fixtures.h"

using namespace ctrain;
using namespace ctrain::test;
using Catch::Contains;

namespace {

struct Read {
  std::vector<std::string> documents;
  std::size_t pieces = 0;
};

Read read_all(const std::vector<fs::path>& files, TextFormat format) {
  TextSource source(files, format);
  Read read;
  std::string document, storage;
  for (TextPiece piece; source.next(piece); ++read.pieces) {
    document += piece.text(format, storage);
    if (piece.ends_document) read.documents.push_back(std::exchange(document, {}));
  }
  CHECK(document.empty());
  CHECK(source.share_read() == 1);
  return read;
}

struct Files {
  TemporaryFolder folder;
  fs::path with(std::string_view content, const std::string& name = "text") const {
    write_text(folder / name, content);
    return folder / name;
  }
  std::string message(std::string_view content, TextFormat format) const {
    const fs::path file = with(content);
    return usage_message([&] { (void)read_all({file}, format); });
  }
};

constexpr auto plain = TextFormat::plain, json_lines = TextFormat::json_lines;

}  // namespace

TEST_CASE("The format of a text file follows from its name") {
  CHECK(format_of("a/b.txt") == plain);
  CHECK(format_of("b") == plain);
  CHECK(format_of("b.txt.gz") == plain);
  CHECK(format_of("b.jsonl") == json_lines);
  CHECK(format_of("b.json") == json_lines);
  CHECK(format_of("b.jsonl.gz") == json_lines);
}

TEST_CASE("A plain file is one document, however long") {
  const Files files;
  std::mt19937 random(2);
  const std::string line = "some words, a number 12 and\nmore of them  ";
  for (const std::size_t length :
       {std::size_t{1}, std::size_t{1} << 20, (std::size_t{1} << 20) + 1, (std::size_t{3} << 20) + 12345}) {
    std::string text;
    while (text.size() < length) text += line;
    text.resize(length);
    const Bytes bytes(text.begin(), text.end());
    write_file(files.folder / "text.gz", gzipped(bytes));
    for (const fs::path& file : {files.with(text), files.folder / "text.gz"}) {
      const Read read = read_all({file}, plain);
      REQUIRE(read.documents.size() == 1);
      CHECK((read.documents[0] == text));
      CHECK((read.pieces > 1) == (length >= std::size_t{1} << 20));
    }
  }
  CHECK(read_all({files.with("one", "a"), files.with("two", "b")}, plain).documents ==
        std::vector<std::string>{"one", "two"});
}

TEST_CASE("Pieces of a text have together the tokens of the whole") {
  const Files files;
  std::mt19937 random(4);
  std::string text;
  while (text.size() < (std::size_t{5} << 19)) text += random_text(random, 1000, mixed_characters());
  const Tokenizer tokenizer(small_vocabulary());
  TextSource source({files.with(text)}, plain);
  Encoder encoder(tokenizer);
  std::vector<std::int32_t> ids;
  std::string storage;
  for (TextPiece piece; source.next(piece);) encoder.append(piece.text(plain, storage), ids);
  CHECK((ids == tokenizer.encode(text)));
}

TEST_CASE("A line of JSON is a document") {
  const Files files;
  const fs::path file = files.with(
      "{\"text\": \"one\\ntwo \\u00e9\\ud83d\\ude42\"}\r\n\n  \n{\"id\": 3, \"text\": \"\", \"more\": [1]}\n{\"text\": "
      "\"end\"}");
  CHECK(read_all({file}, json_lines).documents == std::vector<std::string>{"one\ntwo é🙂", "", "end"});
}

TEST_CASE("Text that is empty, cut or corrupt is told at its place") {
  const Files files;
  CHECK_THAT(files.message("", plain), Contains("text: the file is empty"));
  CHECK_THAT(files.message("", json_lines), Contains("text: the file is empty"));
  CHECK_THAT(files.message("line\nb\xC3\xA9x\xFFy\n", plain), Contains("text:2:5: invalid UTF-8: byte 0xff"));
  const std::string long_text = [] {
    std::string text;
    while (text.size() < (std::size_t{3} << 19)) text += "a line of text\n";
    return text + "\xC0";
  }();
  CHECK_THAT(files.message(long_text, plain), Contains("text:104859:1: invalid UTF-8"));
  CHECK_THAT(files.message("{\"text\": \"a\"}\n{\"text\": \"\xED\xA0\x80\"}\n", json_lines),
             Contains("text:2:11: invalid UTF-8: byte 0xed"));
  CHECK_THAT(files.message("{\"text\": \"a\"}\n\n{\"text\": \"b\n", json_lines), Contains("text:3: no JSON"));
  CHECK_THAT(files.message("{\"text\": \"\\ud800\"}\n", json_lines), Contains("text:1: no JSON"));
  CHECK_THAT(files.message("{\"txt\": \"a\"}\n", json_lines),
             Contains("text:1: expected a JSON object with a 'text' that is a string, found none"));
  CHECK_THAT(files.message("{\"text\": 1}\n", json_lines), Contains("found number"));
  CHECK_THAT(files.message("[\"text\"]\n", json_lines), Contains("found array"));
  CHECK_THAT(usage_message([&] { (void)read_all({files.folder / "nowhere"}, plain); }),
             Contains("nowhere: cannot be opened: No such file"));
  const std::string text = "some text\n";
  Bytes cut = gzipped({text.begin(), text.end()});
  cut.resize(cut.size() - 5);
  CHECK_THAT(files.message(std::string(cut.begin(), cut.end()), plain), Contains("text: truncated"));
}
