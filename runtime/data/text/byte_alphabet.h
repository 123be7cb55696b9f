// GPT-2's printable names of bytes: its files are text, so each of the 256 bytes is written as a character that can be
// seen. Printable Latin-1 stands for itself; the others become U+0100, U+0101, ... in order (a space is "Ġ").
// A. Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; its encoder.py.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ctrain {

// The byte of each of the first 256 ids: by the character that stands for it.
const std::array<std::uint8_t, 256>& bytes_in_order();

// Bytes as such characters, in UTF-8.
std::string to_printable(std::string_view bytes);

// The bytes that such characters stand for; nothing where one of them stands for none.
std::optional<std::string> from_printable(std::string_view printable);

}  // namespace ctrain
