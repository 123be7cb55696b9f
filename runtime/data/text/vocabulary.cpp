#include "runtime/data/text/vocabulary.h"

#include <bitset>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "memory/error.h"
#include "runtime/data/text/byte_alphabet.h"
#include "runtime/data/text/fingerprint.h"
#include "runtime/file.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;

constexpr const char* vocab_name = "vocab.json";
constexpr const char* merges_name = "merges.txt";

// A merge as it is written, and where.
struct WrittenMerge {
  std::string place, left, right;
};

std::string read(const fs::path& path) {
  try {
    return read_file(path);
  } catch (const Error& error) {
    throw usage_error("{}", error.what());
  }
}

Json parse(const fs::path& path) {
  try {
    return Json::parse(read(path));
  } catch (const Json::exception& error) {
    throw usage_error("{}: no JSON: {}", path.string(), error.what());
  }
}

class Assembly {
 public:
  Assembly(std::string vocab_place, std::string merges_place)
      : vocab_place_(std::move(vocab_place)), merges_place_(std::move(merges_place)) {}

  void expect(std::size_t tokens) {
    ids_.reserve(tokens);
    bytes_.reserve(tokens);
  }

  void add_token(const std::string& printable, const Json& id) {
    if (!id.is_number_integer()) fail("the id of '{}' is {}: expected an integer", printable, id.dump());
    const auto number = id.get<std::int64_t>();
    if (number < 0 || number > most_tokens) fail("the id of '{}' is {}: expected 0 or more", printable, number);
    const auto bytes = from_printable(printable);
    if (!bytes || bytes->empty()) fail("'{}' (id {}) is no token of bytes as GPT-2 writes them", printable, number);
    const auto [other, is_new] = ids_.emplace(printable, static_cast<std::int32_t>(number));
    if (!is_new && other->second != number) fail("'{}' has two ids, {} and {}", printable, other->second, number);
    if (is_new) bytes_.emplace_back(static_cast<std::int32_t>(number), *bytes);
  }

  Vocabulary finish(const std::vector<WrittenMerge>& merges) {
    Vocabulary vocabulary;
    vocabulary.tokens.resize(bytes_.size());
    for (auto& [id, bytes] : bytes_) {
      if (static_cast<std::size_t>(id) >= bytes_.size() || !vocabulary.tokens[static_cast<std::size_t>(id)].empty())
        fail("the id {} of '{}' stands twice or leaves a gap: expected 0 to {}, each once", id, to_printable(bytes),
             bytes_.size() - 1);
      vocabulary.tokens[static_cast<std::size_t>(id)] = std::move(bytes);
    }
    for (const std::uint8_t byte : bytes_in_order()) {
      const std::string name = to_printable(std::string(1, static_cast<char>(byte)));
      if (!ids_.contains(name)) fail("the byte 0x{:02x} ('{}') is missing", byte, name);
    }
    if (!ids_.contains(end_of_text_name)) fail("the token {} is missing", end_of_text_name);
    vocabulary.end_of_text = ids_.at(end_of_text_name);
    add_merges(vocabulary, merges);
    check_all_made(vocabulary);
    return vocabulary;
  }

 private:
  static constexpr std::int64_t most_tokens = std::int64_t{1} << 28;

  void add_merges(Vocabulary& vocabulary, const std::vector<WrittenMerge>& merges) const {
    std::unordered_set<std::uint64_t> seen;  // left and right ids
    seen.reserve(merges.size());
    vocabulary.merges.reserve(merges.size());
    for (const WrittenMerge& merge : merges) {
      const auto id = [&](const std::string& token) {
        const auto found = ids_.find(token);
        if (found == ids_.end())
          throw usage_error("{}: '{} {}': {} has no token '{}'; expected files of one tokenizer", merge.place,
                            merge.left, merge.right, vocab_place_, token);
        return found->second;
      };
      const std::int32_t left = id(merge.left), right = id(merge.right);
      vocabulary.merges.push_back({left, right, id(merge.left + merge.right)});
      if (!seen.insert(static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right)).second)
        throw usage_error("{}: '{} {}' stands here a second time", merge.place, merge.left, merge.right);
    }
  }

  void check_all_made(const Vocabulary& vocabulary) const {
    std::vector<bool> made(vocabulary.tokens.size());
    for (const Merge& merge : vocabulary.merges) made[static_cast<std::size_t>(merge.result)] = true;
    for (std::size_t id = 0; id < made.size(); ++id) {
      const std::string& bytes = vocabulary.tokens[id];
      const bool is_special = bytes.size() > 2 && bytes.front() == '<' && bytes.back() == '>';
      if (!made[id] && bytes.size() > 1 && !is_special)
        fail("the token '{}' (id {}) is made by no merge of {}; expected files of one tokenizer", to_printable(bytes),
             id, merges_place_);
    }
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw usage_error("{}: {}", vocab_place_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::string vocab_place_, merges_place_;
  std::unordered_map<std::string, std::int32_t> ids_;  // of printable tokens
  std::vector<std::pair<std::int32_t, std::string>> bytes_;
};

void add_tokens(Assembly& assembly, const Json& vocab, const fs::path& path) {
  if (!vocab.is_object()) throw usage_error("{}: expected a JSON object of tokens and their ids", path.string());
  assembly.expect(vocab.size());
  for (const auto& [token, id] : vocab.items()) assembly.add_token(token, id);
}

WrittenMerge split_merge(const std::string& line, std::string place) {
  const std::size_t blank = line.find(' ');
  if (blank == 0 || blank == std::string::npos || blank + 1 == line.size() ||
      line.find(' ', blank + 1) != std::string::npos)
    throw usage_error("{}: '{}': expected two tokens with a blank between them", place, line);
  return {std::move(place), line.substr(0, blank), line.substr(blank + 1)};
}

std::vector<WrittenMerge> read_merges(const fs::path& path) {
  const std::string text = read(path);
  std::vector<WrittenMerge> merges;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    begin = end + 1;
    ++number;
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    merges.push_back(split_merge(line, fmt::format("{}:{}", path.string(), number)));
  }
  return merges;
}

// What of a tokenizer.json must be as in GPT-2's for the ids to be the same.
void check_kind(const Json& json, const std::string& name) {
  const auto refuse_unless = [&](const char* pointer, const Json& expected, bool may_be_absent) {
    const Json::json_pointer place(pointer);
    const bool is_there = json.contains(place);
    if (is_there ? json.at(place) == expected : may_be_absent) return;
    throw usage_error("{}: {} is {}: expected {}: only GPT-2's kind, byte-level BPE, is read", name, pointer + 1,
                      is_there ? json.at(place).dump() : "missing", expected.dump());
  };
  refuse_unless("/model/type", "BPE", true);
  refuse_unless("/pre_tokenizer/type", "ByteLevel", false);
  refuse_unless("/pre_tokenizer/add_prefix_space", false, true);
  refuse_unless("/pre_tokenizer/use_regex", true, true);
  refuse_unless("/normalizer", nullptr, true);
}

Vocabulary read_tokenizer_json(const fs::path& path) {
  const Json json = parse(path);
  const std::string name = path.string();
  check_kind(json, name);
  Assembly assembly(name, name);
  try {
    add_tokens(assembly, json.at("model").at("vocab"), path);
    for (const Json& added : json.value("added_tokens", Json::array()))
      assembly.add_token(added.at("content").get<std::string>(), added.at("id"));
    std::vector<WrittenMerge> merges;
    for (const Json& merge : json.at("model").at("merges")) {
      std::string place = fmt::format("{}: merge {}", name, merges.size());
      merges.push_back(merge.is_array() ? WrittenMerge{std::move(place), merge.at(0).get<std::string>(),
                                                       merge.at(1).get<std::string>()}
                                        : split_merge(merge.get<std::string>(), std::move(place)));
    }
    return assembly.finish(merges);
  } catch (const Json::exception& error) {
    throw usage_error("{}: no tokenizer.json: {}", name, error.what());
  }
}

}  // namespace

Vocabulary byte_vocabulary() {
  Vocabulary vocabulary;
  for (const std::uint8_t byte : bytes_in_order()) vocabulary.tokens.emplace_back(1, static_cast<char>(byte));
  vocabulary.end_of_text = static_cast<std::int32_t>(vocabulary.tokens.size());
  vocabulary.tokens.emplace_back(end_of_text_name);
  return vocabulary;
}

Vocabulary read_vocabulary(const fs::path& vocab_json, const fs::path& merges_txt) {
  Assembly assembly(vocab_json.string(), merges_txt.string());
  add_tokens(assembly, parse(vocab_json), vocab_json);
  return assembly.finish(read_merges(merges_txt));
}

Vocabulary read_vocabulary(const fs::path& path) {
  std::error_code unreadable;
  return fs::is_directory(path, unreadable) ? read_vocabulary(path / vocab_name, path / merges_name)
                                            : read_tokenizer_json(path);
}

void write_vocabulary(const Vocabulary& vocabulary, const fs::path& folder) {
  nlohmann::ordered_json vocab;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) vocab[to_printable(vocabulary.tokens[id])] = id;
  std::string merges = "#version: 0.2\n";
  const auto name = [&](std::int32_t id) { return to_printable(vocabulary.tokens[static_cast<std::size_t>(id)]); };
  for (const Merge& merge : vocabulary.merges) merges += name(merge.left) + " " + name(merge.right) + "\n";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw running_error("cannot make the folder {}: {}", folder.string(), error.message());
  write_file(folder / merges_name, merges);
  write_file(folder / vocab_name, vocab.dump() + "\n");
}

std::uint64_t fingerprint(const Vocabulary& vocabulary) {
  Fingerprint print;
  for (const std::string& token : vocabulary.tokens) print.add(token);
  for (const Merge& merge : vocabulary.merges) {
    print.add(static_cast<std::uint64_t>(merge.left));
    print.add(static_cast<std::uint64_t>(merge.right));
  }
  print.add(static_cast<std::uint64_t>(vocabulary.end_of_text));
  return print.value();
}

}  // namespace ctrain
