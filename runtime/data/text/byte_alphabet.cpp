#include "runtime/data/text/byte_alphabet.h"

#include <algorithm>

namespace ctrain {
namespace {

constexpr int first_substitute = 0x100;

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<int, 256> character{};        // of each byte
  std::array<std::uint8_t, 256> in_order;  // bytes by character
  std::array<int, 512> byte{};             // of each character; -1: none

  Alphabet() {
    int substitute = first_substitute;
    std::fill(byte.begin(), byte.end(), -1);
    for (int b = 0; b < 256; ++b) {
      const int c = stands_for_itself(b) ? b : substitute++;
      character[static_cast<std::size_t>(b)] = c;
      byte[static_cast<std::size_t>(c)] = b;
    }
    auto next = in_order.begin();
    for (const int b : byte)
      if (b >= 0) *next++ = static_cast<std::uint8_t>(b);
  }
};

const Alphabet& alphabet() {
  static const Alphabet made;
  return made;
}

}  // namespace

const std::array<std::uint8_t, 256>& bytes_in_order() { return alphabet().in_order; }

std::string to_printable(std::string_view bytes) {
  std::string printable;
  for (const char byte : bytes) {
    const int c = alphabet().character[static_cast<std::uint8_t>(byte)];
    if (c >= 0x80) printable += static_cast<char>(0xC0 | c >> 6);
    printable += static_cast<char>(c >= 0x80 ? 0x80 | (c & 0x3F) : c);
  }
  return printable;
}

std::optional<std::string> from_printable(std::string_view printable) {
  std::string bytes;
  for (std::size_t i = 0; i < printable.size(); ++i) {
    int c = static_cast<std::uint8_t>(printable[i]);
    if (c >= 0x80) {  // all characters above are below U+0200: two bytes
      if (c < 0xC2 || c > 0xC7 || i + 1 == printable.size()) return std::nullopt;
      const int low = static_cast<std::uint8_t>(printable[++i]);
      if ((low & 0xC0) != 0x80) return std::nullopt;
      c = (c & 0x1F) << 6 | (low & 0x3F);
    }
    const int byte = alphabet().byte[static_cast<std::size_t>(c)];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace ctrain
