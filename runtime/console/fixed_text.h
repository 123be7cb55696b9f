// Text of a fixed capacity in place, for what is formatted within a training step: it never allocates.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace ctrain {

template <std::size_t capacity>
class FixedText {
 public:
  // Appends, or cuts off what does not fit.
  template <typename... Args>
  void append(fmt::format_string<Args...> format, Args&&... args) {
    const auto result = fmt::vformat_to_n(text_.data() + size_, capacity - size_, fmt::string_view(format),
                                          fmt::make_format_args(args...));
    size_ = std::min(size_ + result.size, capacity);
  }
  void append(std::size_t count, char c) {
    const std::size_t end = std::min(size_ + count, capacity);
    std::fill(text_.data() + size_, text_.data() + end, c);
    size_ = end;
  }
  void clear() { size_ = 0; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, capacity> text_;
  std::size_t size_ = 0;
};

}  // namespace ctrain
