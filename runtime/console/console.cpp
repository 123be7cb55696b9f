#include "runtime/console/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ctrain {

namespace {

constexpr std::string_view clear_line = "\r\033[K";  // to the first column, then erase to the end of the line

}  // namespace

Console::Console(int descriptor) : Console(descriptor, ::isatty(descriptor) == 1, 0) {}

Console::Console(int descriptor, bool is_terminal, int fixed_width)
    : descriptor_(descriptor), is_terminal_(is_terminal), fixed_width_(fixed_width) {}

Console::~Console() { keep_status(); }

int Console::width() const {
  if (fixed_width_ > 0) return fixed_width_;
  winsize size{};
  return ::ioctl(descriptor_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void Console::print(std::string_view text) {
  const std::lock_guard lock(mutex_);
  fmt::memory_buffer line;  // at once, so that processes which share a terminal do not break each other's lines
  if (status_size_ > 0) line.append(clear_line);
  line.append(text);
  line.push_back('\n');
  line.append(std::string_view(status_.data(), status_size_));
  write({line.data(), line.size()});
}

void Console::show_status(std::string_view text) {
  if (!is_terminal_) return;
  // The last column stays free: a character there makes some terminals begin the next line.
  const auto columns = static_cast<std::size_t>(std::clamp(width() - 1, 0, longest_status));
  const std::lock_guard lock(mutex_);
  status_size_ = text.substr(0, columns).copy(status_.data(), columns);
  write(clear_line);
  write({status_.data(), status_size_});
}

void Console::keep_status() {
  const std::lock_guard lock(mutex_);
  if (status_size_ > 0) write("\n");
  status_size_ = 0;
}

// A console that has gone away (a closed terminal, a full pipe's reader) is no reason to end a training run.
void Console::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace ctrain
