// Names of dimensions. A name is a letter that says what the dimension is, and a number where a graph has several of a
// kind (an MLP's f, f1, f2). The names of an op's operands ARE its index signature, as in einsum.
//
//   b batch   s sequence   h hidden (residual stream)   t q|k|v   n heads   d head width   f inner (MLP)   v vocabulary
//   c classes (never split)   p positions   k features of a patch or of a flat input   i y x image channels, rows,
//   columns
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ctrain {

struct Name {
  char letter = 0;
  std::uint8_t number = 0;
  constexpr auto operator<=>(const Name&) const = default;
  [[nodiscard]] std::string text() const;
};

// An ordered list of distinct names, slowest dimension first; held in place.
class Names {
 public:
  static constexpr std::size_t capacity = 8;

  constexpr Names() = default;
  Names(std::string_view text);  // NOLINT: "bsh", "bf1": implicit, so that signatures read as in the papers
  Names(const char* text) : Names(std::string_view(text)) {}  // NOLINT
  Names(std::initializer_list<Name> names);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Name operator[](std::size_t i) const { return names_[i]; }
  [[nodiscard]] Name back() const { return names_[size_ - 1]; }
  [[nodiscard]] const Name* begin() const { return names_.data(); }
  [[nodiscard]] const Name* end() const { return names_.data() + size_; }
  [[nodiscard]] bool contains(Name name) const { return index(name) >= 0; }
  [[nodiscard]] int index(Name name) const;  // position, or -1
  [[nodiscard]] Names without(Name name) const;
  [[nodiscard]] std::string text() const;
  void push_back(Name name);
  bool operator==(const Names& other) const;

 private:
  std::array<Name, capacity> names_{};
  std::uint8_t size_ = 0;
};

}  // namespace ctrain
