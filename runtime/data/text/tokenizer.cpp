#include "runtime/data/text/tokenizer.h"

#include <algorithm>
#include <cstring>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr std::size_t remembered_words = std::size_t{1} << 15;  // 2 MiB: they stay in a core's own cache

std::size_t place_of(const std::array<std::uint64_t, 3>& word) {
  std::uint64_t hash = word[0] * 0x9E3779B97F4A7C15U;
  hash = (hash ^ hash >> 32 ^ word[1]) * 0xC2B2AE3D27D4EB4FU;
  hash = (hash ^ hash >> 32 ^ word[2]) * 0x9E3779B97F4A7C15U;
  return static_cast<std::size_t>(hash >> 40) % remembered_words;
}

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)), merges_(vocabulary_) {}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  Encoder(*this).append(text, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= size()) throw usage_error("{}: no token id; expected 0 to {}", id, size() - 1);
    text += vocabulary_.tokens[static_cast<std::size_t>(id)];
  }
  return text;
}

Encoder::Encoder(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer), encoding_(tokenizer.merges()), memory_(remembered_words) {}

void Encoder::append(std::string_view text, std::vector<std::int32_t>& ids) {
  const std::string_view mark = end_of_text_name;
  for (;;) {
    const std::size_t end = std::min(text.find(mark), text.size());
    pre_tokenizer_.split(text.substr(0, end), [&](std::string_view word) { append_word(word, ids); });
    if (end == text.size()) return;
    ids.push_back(tokenizer_.vocabulary().end_of_text);
    text.remove_prefix(end + mark.size());
  }
}

void Encoder::append_word(std::string_view word, std::vector<std::int32_t>& ids) {
  if (word.size() > Remembered::longest) {
    encoding_.append(word, ids);
    return;
  }
  std::array<std::uint64_t, 3> key{};
  std::memcpy(key.data(), word.data(), word.size());
  key[2] |= static_cast<std::uint64_t>(word.size()) << 56;
  Remembered& place = memory_[place_of(key)];
  if (place.word == key) {
    ids.insert(ids.end(), place.ids.begin(), place.ids.begin() + place.count);
    return;
  }
  const std::size_t before = ids.size();
  encoding_.append(word, ids);
  const std::size_t count = ids.size() - before;
  if (count > Remembered::most_ids) return;
  place.word = key;
  place.count = static_cast<std::uint8_t>(count);
  std::copy(ids.end() - static_cast<std::ptrdiff_t>(count), ids.end(), place.ids.begin());
}

}  // namespace ctrain
