// What people look at while training runs: lines that stay, and on a terminal one last line that is redrawn. Both go
// through one object, so that a message never lands in the middle of the progress bar. Thread-safe; allocates nothing
// after construction.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <string_view>

namespace ctrain {

class Console {
 public:
  // Writes to a file descriptor that someone else keeps open: 2, standard error, outside of tests (standard output is
  // for results). It takes a descriptor for a terminal if isatty(3) does.
  explicit Console(int descriptor = 2);
  Console(int descriptor, bool is_terminal, int fixed_width);  // for tests: no questions asked of the descriptor
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  ~Console();

  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  [[nodiscard]] int width() const;  // columns, of this moment; 80 where it is unknown

  // One or more lines that stay; `text` without the last newline.
  void print(std::string_view text);

  // The line that is redrawn; ASCII, cut to the terminal's width. Only on a terminal.
  void show_status(std::string_view text);
  void keep_status();  // leaves the status where it is and goes on below it

 private:
  static constexpr int longest_status = 400;

  void write(std::string_view text);

  int descriptor_;
  bool is_terminal_;
  int fixed_width_;  // 0: ask the terminal
  std::mutex mutex_;
  std::array<char, longest_status> status_{};
  std::size_t status_size_ = 0;  // 0: none is shown
};

}  // namespace ctrain
