#include "runtime/data/text/utf8.h"

#include <cstdint>
#include <cstring>

namespace ctrain {
namespace {

bool is_in(std::uint8_t byte, int least, int most) { return byte >= least && byte <= most; }

// Bytes of the valid character of several bytes that begins here; 0 where there is none.
std::size_t character_length(const std::uint8_t* at, std::size_t left) {
  const std::uint8_t lead = at[0];
  const std::size_t length = is_in(lead, 0xC2, 0xDF)   ? 2
                             : is_in(lead, 0xE0, 0xEF) ? 3
                             : is_in(lead, 0xF0, 0xF4) ? 4
                                                       : 0;
  if (length == 0 || length > left) return 0;
  const int least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const int most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!is_in(at[1], least, most)) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (!is_in(at[i], 0x80, 0xBF)) return 0;
  return length;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  std::size_t i = 0;
  while (i < text.size()) {
    std::uint64_t word = 0;
    if (i + sizeof word <= text.size()) {
      std::memcpy(&word, bytes + i, sizeof word);
      if ((word & 0x8080808080808080U) == 0) {  // eight characters of ASCII at once
        i += sizeof word;
        continue;
      }
    }
    const std::size_t length = bytes[i] < 0x80 ? 1 : character_length(bytes + i, text.size() - i);
    if (length == 0) break;
    i += length;
  }
  return i;
}

}  // namespace ctrain
