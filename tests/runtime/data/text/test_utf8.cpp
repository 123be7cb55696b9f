#include "runtime/data/text/utf8.h"

#include <catch2/catch.hpp>
#include <string>

using namespace ctrain;

namespace {

std::string utf8(int code) {
  const auto low = [](int bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), low(code)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), low(code >> 6), low(code)};
  return {static_cast<char>(0xF0 | code >> 18), low(code >> 12), low(code >> 6), low(code)};
}

}  // namespace

TEST_CASE("Every code point but surrogates is valid UTF-8") {
  int wrong = 0;
  for (int code = 0; code < 0x120000; ++code) {
    const std::string text = utf8(code);
    const bool is_valid = code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
    if ((find_invalid_utf8(text) == text.size()) != is_valid) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("The first byte that belongs to no character is found") {
  for (const std::string before : {"", "abc", "abcdefghijk", "é日🙂"}) {
    for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xE2\x82", "\xE0\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
      CHECK(find_invalid_utf8(before + bad + "some more text") == before.size());
      CHECK(find_invalid_utf8(before + bad) == before.size());
    }
  }
}
