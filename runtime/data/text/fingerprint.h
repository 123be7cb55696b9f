// FNV-1a, 64 bits: tells contents apart that nobody makes collide on purpose.
#pragma once

#include <cstdint>
#include <string_view>

namespace ctrain {

class Fingerprint {
 public:
  void add(std::string_view bytes) {
    add(bytes.size());
    for (const char byte : bytes) mix(static_cast<std::uint8_t>(byte));
  }
  void add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) mix(static_cast<std::uint8_t>(number >> shift));
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  void mix(std::uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001B3U; }
  std::uint64_t value_ = 0xCBF29CE484222325U;
};

}  // namespace ctrain
